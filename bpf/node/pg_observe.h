/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Connections to PostgreSQL on which it is not known what is in flight. They have no spans until a statement is written when nothing else
 * can be in flight: the last answer was complete, and the connection has never sent a statement before the answer to an earlier one. If it
 * has, it also has to have been silent for a while, because the answer to something earlier may still come.
 */
#ifndef USPAN_NODE_PG_OBSERVE_H
#define USPAN_NODE_PG_OBSERVE_H

#include "node/pg_read.h"
#include "node/sniff.h"

#define SILENCE_NS 1000000000ull

/* A read. */
static __always_inline void observe_read(struct uspan_node_pg *pg, __u64 base, __u32 len)
{
	bool ready = ends_ready(base, len);

	/* Nothing was asked since the last answer was complete, so this answers something that was asked before. */
	if (pg->answered)
		pg->pipelined = 1;
	pg->answered = ready;
	pg->touched_ktime_ns = bpf_ktime_get_ns();
}

/* A write. Returns whether it is certain that nothing is in flight before it. Otherwise a statement that it begins is counted. */
static __always_inline bool observe_write(const struct hit *hit, struct uspan_node_pg *pg)
{
	__u64 word = 0, now = bpf_ktime_get_ns(), silent_ns = now - pg->touched_ktime_ns;
	struct uv_buf first;

	pg->touched_ktime_ns = now;
	if (bpf_probe_read_user(&first, sizeof(first), (void *)hit->scratch->data) || first.len < MESSAGE_HEADER ||
	    bpf_probe_read_user(&word, first.len < 8 ? MESSAGE_HEADER : 8, (void *)first.base) || !begins_statement(&first, word))
		return false;
	if (pg->answered && (!pg->pipelined || silent_ns >= SILENCE_NS))
		return true;
	if (!pg->answered)
		pg->pipelined = 1;
	pg->answered = 0;
	count(USPAN_COUNTER_NODE_REQUESTS);
	count(USPAN_COUNTER_LOST_DESYNCHRONISED);
	return false;
}

#endif
