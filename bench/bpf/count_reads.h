/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Included before a program's source, it counts the program's reads of user memory in a section of its own, which bench/hits.ts reads.
 * Not those by bpf_copy_from_user_str: that name is declared where it is used.
 */
#ifndef USPAN_COUNT_READS_H
#define USPAN_COUNT_READS_H

#include "common/vmlinux.h"
#include <bpf/bpf_helpers.h>

volatile __u64 bench_reads SEC(".data.reads");

/* After the read: the compiler forgets what it knew of memory there anyway, and must not forget bounds that it has just checked. */
#define USPAN_COUNTED(read)                             \
	({                                              \
		long result = read;                     \
		__sync_fetch_and_add(&bench_reads, 1);  \
		result;                                 \
	})

#define bpf_probe_read_user(...) USPAN_COUNTED(bpf_probe_read_user(__VA_ARGS__))
#define bpf_probe_read_user_str(...) USPAN_COUNTED(bpf_probe_read_user_str(__VA_ARGS__))

#endif
