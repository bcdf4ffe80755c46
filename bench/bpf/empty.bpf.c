// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Does nothing: what a hit costs before a program has done anything. */
#include "common/vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("uprobe")
int empty(struct pt_regs *ctx)
{
	(void)ctx;
	return 0;
}
