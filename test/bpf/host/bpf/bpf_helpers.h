/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* In place of libbpf's header: helpers as functions of this process, so that a compiler for the host can build bpf/node. */
#ifndef USPAN_HOST_BPF_HELPERS_H
#define USPAN_HOST_BPF_HELPERS_H

#include "common/vmlinux.h"

#define SEC(name)
#define __uint(name, value) int (*name)[value]
#define __type(name, type) __typeof__(type) *name
#define __array(name, type) __typeof__(type) *name[]
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define barrier_var(variable) __asm__ volatile("" : "+r"(variable))
#define barrier() __asm__ volatile("" ::: "memory")

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(void *map, const void *key);
long bpf_probe_read_user(void *to, __u32 bytes, const void *from);
long bpf_probe_read_user_str(void *to, __u32 size, const void *from);
long bpf_probe_read_kernel(void *to, __u32 bytes, const void *from);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_get_current_pid_tgid(void);
__u32 bpf_get_prandom_u32(void);
__u32 bpf_get_smp_processor_id(void);
__u64 bpf_get_attach_cookie(void *ctx);
__u64 bpf_ringbuf_query(void *ring, __u64 what);
long bpf_ringbuf_output(void *ring, void *record, __u64 bytes, __u64 flags);
long host_loop(__u32 turns, long (*turn)(__u32, void *), void *context);
int host_tail_call(void *ctx, __u32 index);

#define bpf_loop(turns, turn, context, flags) host_loop(turns, (long (*)(__u32, void *))(turn), context)
/* A tail call does not return, unless there is no such program. */
#define bpf_tail_call(ctx, programs, index)      \
	do {                                     \
		if (host_tail_call(ctx, index))  \
			return 0;                \
	} while (0)

#endif
