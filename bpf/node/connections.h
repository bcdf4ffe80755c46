/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Connections of Node.js, and the requests in flight on each, first in, first out. */
#ifndef USPAN_NODE_CONNECTIONS_H
#define USPAN_NODE_CONNECTIONS_H

#include "span/counters.h"
#include "span/spans.h"
#include "span/trace_text.h"

/*
 * An entry belongs to one event loop, so to one thread, and lasts as long as its connection; it is also that thread's scratch memory:
 * per-CPU scratch is not safe in a uprobe program, which can be preempted by another that runs the same program on the same CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_node_key);
	__type(value, struct uspan_node_connection);
} node_connections SEC(".maps");

/* Requests behind the first of their connection: pipelined ones. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_node_key);
	__type(value, struct uspan_node_request);
} node_waiting SEC(".maps");

/* All zero: what new entries start from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_node_connection);
} node_blank SEC(".maps");

static __always_inline struct uspan_node_connection *find_connection(const struct uspan_node_key *key)
{
	return bpf_map_lookup_elem(&node_connections, key);
}

static __always_inline struct uspan_node_connection *add_connection(const struct uspan_node_key *key)
{
	struct uspan_node_connection *c = find_connection(key), *blank;
	__u32 first = 0;
	long refused;

	if (c)
		return c;
	blank = bpf_map_lookup_elem(&node_blank, &first);
	if (!blank)
		return 0;
	refused = bpf_map_update_elem(&node_connections, key, blank, BPF_ANY);
	if (refused) {
		count_refused(refused);
		return 0;
	}
	c = find_connection(key);
	if (c)
		c->born_ktime_ns = bpf_ktime_get_ns();
	return c;
}

/* The key of the request that is `behind` places behind the first in flight. */
static __always_inline struct uspan_node_key waiting_key(const struct uspan_node_key *key, const struct uspan_node_connection *c,
							 __u32 behind)
{
	struct uspan_node_key waiting = *key;

	waiting.seq = c->seq + behind;
	return waiting;
}

/* Room for one more request of a connection; 0 when there is none, which is counted, and which its response's turn will find out. */
static __always_inline struct uspan_node_request *push_request(const struct uspan_node_key *key, struct uspan_node_connection *c)
{
	struct uspan_node_key waiting;
	struct uspan_node_connection *blank;
	struct uspan_node_request *request = &c->current;
	__u32 first = 0, behind = c->active;
	long refused;

	if (behind >= USPAN_NODE_MAX_PIPELINED) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	c->active = behind + 1;
	if (behind == 0)
		return request;
	waiting = waiting_key(key, c, behind);
	blank = bpf_map_lookup_elem(&node_blank, &first);
	if (!blank)
		return 0;
	refused = bpf_map_update_elem(&node_waiting, &waiting, &blank->current, BPF_ANY);
	if (refused) {
		count_refused(refused);
		return 0;
	}
	return bpf_map_lookup_elem(&node_waiting, &waiting);
}

/* What becomes of a request whose turn has come to an end. */
#define FINISH_TLS 1
#define FINISH_ABORTED 2
#define FINISH_AT_TOUCH 4 /* it ended when the connection was last touched */

/*
 * Ends the first request in flight, and makes the next one the first. Global, as it is called from many places.
 * `probe_and_how`: the probe id, and FINISH_* in the upper half.
 */
__noinline int finish_request(const struct uspan_node_key *key, struct uspan_node_connection *c, __u32 probe_and_how)
{
	__u32 how = probe_and_how >> 16;
	struct uspan_span_head *span;
	struct uspan_node_request *next;
	struct uspan_node_key waiting;

	if (!key || !c || c->active == 0)
		return 0;
	if (c->current.kind == 0) {
		/* It found no room: counted when it came. */
	} else if (!c->current.sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
	} else {
		__u32 bytes = c->current.record_bytes;

		span = (struct uspan_span_head *)c->current.record;
		if (how & FINISH_TLS)
			span->span_flags |= USPAN_SPAN_TLS;
		if (how & FINISH_ABORTED) {
			span->span_flags |= USPAN_SPAN_ABORTED;
			/* Statements have it at the same place. */
			if (c->current.kind != USPAN_EVENT_NODE_HTTP_SERVER)
				((struct uspan_node_client_event *)c->current.record)->error = c->error;
		}
		finish_head(span, key->pid, c->current.kind, probe_and_how & 0xffff);
		if (how & FINISH_AT_TOUCH)
			span->head.ktime_ns = c->touched_ktime_ns;
		barrier_var(bytes);
		if (bytes <= sizeof(c->current.record))
			submit(c->current.record, bytes);
	}
	c->current.kind = 0;
	c->phase = USPAN_NODE_PHASE_HEAD;
	c->ending = 0;
	c->active--;
	c->seq++;
	if (c->active == 0)
		return 0;
	waiting = waiting_key(key, c, 0);
	next = bpf_map_lookup_elem(&node_waiting, &waiting);
	if (next) {
		bpf_probe_read_kernel(&c->current, sizeof(c->current), next);
		bpf_map_delete_elem(&node_waiting, &waiting);
	}
	return 0;
}

#endif
