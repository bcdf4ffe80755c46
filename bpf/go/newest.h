/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which request a goroutine's first call was for, and whether that may have been forgotten. */
#ifndef USPAN_GO_NEWEST_H
#define USPAN_GO_NEWEST_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

/* Its size does not depend on --max-in-flight: see is_from_before(). */
#define GO_STARTED_FOR (2 * 16384)

/* A goroutine that handles no request → the span id of the request that its first call was for. 0: none. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GO_STARTED_FOR);
	__type(key, struct uspan_go_goroutine_key);
	__type(value, __u64);
} go_started_for SEC(".maps");

/* A process → the highest id of its goroutines in go_started_for, at two times, at least a second apart. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct uspan_go_newest);
} go_newest SEC(".maps");

#define NS_PER_S 1000000000ull

/* Another goroutine makes its first call. */
static __always_inline void note_goroutine(const struct uspan_go_goroutine_key *goroutine)
{
	struct uspan_go_newest first = { .now = goroutine->goid };
	struct uspan_go_newest *newest = bpf_map_lookup_elem(&go_newest, &goroutine->pid);
	__u64 now = bpf_ktime_get_ns();

	if (!newest) {
		bpf_map_update_elem(&go_newest, &goroutine->pid, &first, BPF_ANY);
		return;
	}
	if (goroutine->goid > newest->now)
		newest->now = goroutine->goid;
	if ((__s64)(now - newest->ktime_ns[1]) < (__s64)NS_PER_S)
		return;
	newest->ktime_ns[0] = newest->ktime_ns[1];
	newest->goid[0] = newest->goid[1];
	newest->goid[1] = newest->now;
	newest->ktime_ns[1] = now;
}

/*
 * Whether a goroutine is so much older than a request that its first call may have been forgotten. Go hands out ids in ascending order, but
 * to each of its processors in batches of 16 (runtime/proc.go, newproc1), which an idle processor can keep for long. So a goroutine that is
 * younger than half of go_started_for passes: that map has not lost it yet.
 */
static __always_inline bool is_from_before(const struct uspan_go_goroutine_key *goroutine, __u64 ktime_ns)
{
	const struct uspan_go_newest *newest = bpf_map_lookup_elem(&go_newest, &goroutine->pid);
	__u64 goid = 0;

	if (!newest)
		return false;
	if (newest->ktime_ns[1] <= ktime_ns)
		goid = newest->goid[1];
	else if (newest->ktime_ns[0] <= ktime_ns)
		goid = newest->goid[0];
	return goroutine->goid + GO_STARTED_FOR / 2 < goid;
}

#endif
