// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* USDT pairs on kernels where uprobe programs cannot sleep: a text on a page not in memory is marked as unreadable. */
#include "usdt/pair.h"

char LICENSE[] SEC("license") = "GPL";

/* Any USDT site; the cookie tells which. */
SEC("uprobe")
int usdt_pair(struct pt_regs *ctx)
{
	return pair(ctx);
}
