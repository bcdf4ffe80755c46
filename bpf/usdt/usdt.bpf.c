// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* USDT pairs on kernels whose uprobe programs cannot sleep. A text on a page that is not in memory is marked as unreadable. */
#include "usdt/pair.h"

char LICENSE[] SEC("license") = "GPL";

/* Any USDT site. The cookie says which. */
SEC("uprobe")
int usdt_pair(struct pt_regs *ctx)
{
	return pair(ctx);
}
