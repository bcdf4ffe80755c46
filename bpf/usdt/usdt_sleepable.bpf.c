// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* USDT pairs where the kernel has bpf_copy_from_user_str (Linux 6.12): texts are read wherever they are. */
#define USPAN_SLEEPABLE
#include "usdt/pair.h"

char LICENSE[] SEC("license") = "GPL";

/* Any USDT site; the cookie tells which. */
SEC("uprobe.s")
int usdt_pair_sleepable(struct pt_regs *ctx)
{
	return pair(ctx);
}
