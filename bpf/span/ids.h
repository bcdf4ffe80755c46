/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Ids of spans and traces, and the standard samplers. */
#ifndef USPAN_SPAN_IDS_H
#define USPAN_SPAN_IDS_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "span/config.h"

#define TRACE_FLAG_SAMPLED 1
/* OTLP Span.flags: bit 8 says that bit 9 is valid, bit 9 that the parent is remote. */
#define SPAN_FLAG_HAS_IS_REMOTE 0x100
#define SPAN_FLAG_IS_REMOTE 0x200

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`. */
static __always_inline __u64 mix(__u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

#define GOLDEN_GAMMA 0x9e3779b97f4a7c15ull

/*
 * What no other span of this host begins with: its time, its owner, and 32 random bits, because two spans can begin at the same time. The
 * seed, which each agent makes anew, tells hosts apart.
 */
static __always_inline __u64 id_state(__u64 ktime_ns, __u64 owner)
{
	return (ktime_ns ^ uspan_config.id_seed) + mix(owner ^ (__u64)bpf_get_prandom_u32() << 32);
}

/* A span's own id, and without a parent also its trace id. An id of zeros is invalid, so the last bit is set. */
static __always_inline void put_span_id(struct uspan_span_head *head, __u64 state)
{
	__u64 id = mix(state) | 1ull << 56;

	__builtin_memcpy(head->span_id, &id, sizeof(id));
}

static __always_inline void put_new_trace(struct uspan_span_head *head, __u64 state)
{
	__u64 id[2] = { mix(state + GOLDEN_GAMMA), mix(state + 2 * GOLDEN_GAMMA) | 1ull << 56 };

	__builtin_memcpy(head->trace_id, id, sizeof(id));
	__builtin_memset(head->parent_span_id, 0, sizeof(head->parent_span_id));
	head->trace_flags = TRACE_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE;
}

/* The sampler of the span's attachment. `parented`: a header gave the parent. */
static __always_inline bool is_sampled(const struct uspan_probe_head *probe, const struct uspan_span_head *head, bool parented)
{
	__u64 low;

	if (parented && probe->parent_based)
		return head->trace_flags & TRACE_FLAG_SAMPLED;
	if (probe->sampler == USPAN_SAMPLER_ALWAYS_ON)
		return true;
	if (probe->sampler == USPAN_SAMPLER_ALWAYS_OFF)
		return false;
	__builtin_memcpy(&low, head->trace_id + 8, sizeof(low));
	return bpf_be64_to_cpu(low) >> 1 < probe->ratio_threshold;
}

#endif
