/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The order in which other CPUs see what a program reads and writes. */
#ifndef USPAN_SPAN_ORDER_H
#define USPAN_SPAN_ORDER_H

#include "common/vmlinux.h"
#include <bpf/bpf_helpers.h>

/*
 * Nothing moves from one side to the other. `word` is a __u32 of the entry, which keeps its value. x86 keeps loads in order, and stores
 * too, so only the compiler needs a barrier. On arm64 an atomic operation that returns the old value is a barrier
 * (Documentation/atomic_t.txt of Linux).
 */
#if defined(__TARGET_ARCH_arm64)
static __always_inline void keep_order(__u32 *word)
{
	__u32 old = __sync_fetch_and_add(word, 0);

	asm volatile("" : : "r"(old) : "memory");
}
#else
static __always_inline void keep_order(__u32 *word)
{
	(void)word;
	barrier();
}
#endif

#endif
