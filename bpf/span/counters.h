/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Counters: per-CPU slots. Additions are atomic, because another uprobe program on the same CPU can preempt one. */
#ifndef USPAN_COUNTERS_H
#define USPAN_COUNTERS_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

#define E2BIG 7 /* asm-generic/errno-base.h, which vmlinux.h cannot be included with */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, USPAN_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Hits by attachment id and moment: key = attachment id * USPAN_MAX_MOMENTS + moment. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES * USPAN_MAX_MOMENTS);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *slot = bpf_map_lookup_elem(&counters, &counter);

	if (slot)
		__sync_fetch_and_add(slot, 1);
}

/* An entry that a map did not take. E2BIG means that the map is full, anything else that the kernel had no memory at that moment. */
static __always_inline void count_refused(long error)
{
	count(error == -E2BIG ? USPAN_COUNTER_LOST_IN_FLIGHT_FULL : USPAN_COUNTER_LOST_NO_MEMORY);
}

static __always_inline void count_hit(__u32 probe_id, __u32 moment)
{
	__u32 key = probe_id * USPAN_MAX_MOMENTS + moment;
	__u64 *slot = bpf_map_lookup_elem(&hits, &key);

	if (slot)
		__sync_fetch_and_add(slot, 1);
}

#endif
