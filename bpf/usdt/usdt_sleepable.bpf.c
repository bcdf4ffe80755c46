// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* USDT pairs on kernels with bpf_copy_from_user_str (Linux 6.12). They read texts on any page. */
#define USPAN_SLEEPABLE
#include "usdt/pair.h"

char LICENSE[] SEC("license") = "GPL";

/* Any USDT site. The cookie says which. */
SEC("uprobe.s")
int usdt_pair_sleepable(struct pt_regs *ctx)
{
	return pair(ctx);
}
