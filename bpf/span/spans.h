/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The way out: one ring for the spans of every object, the processes that are targets, and buffers for long records. The agent makes maps
 * of the same name one map in all objects, so a map's name means the same everywhere.
 */
#ifndef USPAN_SPANS_H
#define USPAN_SPANS_H

#include "span/config.h"
#include "span/counters.h"
#include "span/targets.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} spans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_LARGE_BUFFERS);
	__type(key, __u32);
	__type(value, struct uspan_large);
} large_buffers SEC(".maps");

/* A hit of an attached site, from its cookie. */
struct site {
	__u32 probe_id;
	__u32 moment;
	__u32 spec;
	__u32 reserved;
};

static __always_inline struct site site_of(void *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct site site = {
		.probe_id = (cookie >> USPAN_COOKIE_MOMENT_BITS) & 0xffff,
		.moment = cookie & (USPAN_MAX_MOMENTS - 1),
		.spec = cookie >> USPAN_COOKIE_SPEC_SHIFT,
	};

	return site;
}

/* Whether a process is a target. */
static __always_inline bool wanted(__u32 filter_by_process, __u32 pid)
{
	return !filter_by_process || bpf_map_lookup_elem(&targets, &pid);
}

/*
 * Counts a hit. False: its process shares the binary with a target, but is not one itself. That is counted where it would begin a span.
 */
static __always_inline bool hits_target(const struct site *site, const struct uspan_probe_head *probe, __u32 pid, bool begins)
{
	count_hit(site->probe_id, site->moment);
	if (wanted(probe->filter_by_process, pid))
		return true;
	if (begins)
		count(USPAN_COUNTER_OTHER_PROCESS);
	return false;
}

/*
 * Several CPUs may see the same unread bytes and jump over the mark together. So a program also wakes the agent if the ring has passed the
 * mark by less than this.
 */
#define WAKE_WINDOW_BYTES 16384

/* Sends a record of `len` bytes that begins with a span head. Wakes the agent only when the ring passes its mark. */
static __always_inline void submit(void *record, __u32 len)
{
	struct uspan_span_head *span = record;
	__u64 unread = bpf_ringbuf_query(&spans, BPF_RB_AVAIL_DATA);
	__u64 mark = uspan_config.wake_bytes;
	__u64 flags = unread + len >= mark && unread < mark + WAKE_WINDOW_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;

	span->head.len = len;
	if (bpf_ringbuf_output(&spans, record, len, flags))
		count(USPAN_COUNTER_LOST_RING_FULL);
}

/* A buffer that belongs to the caller until give_large(). 0: all are in use, and the span is lost. */
static __always_inline struct uspan_large *take_large(void)
{
	__u32 first = bpf_get_smp_processor_id();

	for (__u32 i = 0; i < USPAN_LARGE_BUFFERS; i++) {
		__u32 slot = (first + i) % USPAN_LARGE_BUFFERS;
		struct uspan_large *buffer = bpf_map_lookup_elem(&large_buffers, &slot);

		if (buffer && __sync_val_compare_and_swap(&buffer->busy, 0, 1) == 0)
			return buffer;
	}
	return 0;
}

static __always_inline void give_large(struct uspan_large *buffer)
{
	__sync_lock_test_and_set(&buffer->busy, 0);
}

#endif
