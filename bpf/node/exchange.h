/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Requests of HTTP/1 on a connection, and the responses to them, first in, first out. This is the same for servers and clients. Each has
 * its own map of open spans, EXCHANGES, of records of kind EXCHANGE_SOURCE, and puts what is known only at the end in put_outcome().
 */
#ifndef USPAN_NODE_EXCHANGE_H
#define USPAN_NODE_EXCHANGE_H

#include "node/fields.h"
#include "node/queue.h"
#include "node/response.h"

/* What becomes of a request whose turn has ended. It is the upper half of `probe_and_how`; the lower half is the attachment id. */
#define FINISH_TLS 1
#define FINISH_ABORTED 2
#define FINISH_AT_TOUCH 4 /* it ended when the connection was last touched */

static __always_inline struct uspan_node_exchange *exchange_of(struct uspan_open_span *span)
{
	return (struct uspan_node_exchange *)span->own;
}

static __always_inline void put_outcome(struct uspan_open_span *span, const struct uspan_node_exchange *connection, __u32 how);

/* The response has made the connection one of another protocol. */
static __always_inline void take_over(struct uspan_node_exchange *connection)
{
	connection->taken_over = 1;
	connection->tunnelled = connection->response.tunnel;
}

/* The response to a request is next. */
static __always_inline void expect_response(struct uspan_node_response *response, const struct uspan_node_exchange *request)
{
	response->touched_ktime_ns = 0;
	response->status = 0;
	response->phase = USPAN_NODE_PHASE_HEAD;
	response->ending = 0;
	response->bodiless = request ? request->bodiless : 0;
	response->tunnel = request ? request->tunnel : 0;
}

static __always_inline void end_request(struct uspan_open_span *span, const struct uspan_open_span_key *key,
					const struct uspan_node_exchange *connection, __u32 probe_and_how)
{
	struct site site = { .probe_id = probe_and_how & 0xffff };
	__u64 touched_ktime_ns = connection->response.touched_ktime_ns;
	__u32 how = probe_and_how >> 16;

	span->open = 0;
	if (!span->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	if (how & FINISH_TLS)
		span->head.span_flags |= USPAN_SPAN_TLS;
	if (how & FINISH_ABORTED)
		span->head.span_flags |= USPAN_SPAN_ABORTED;
	else if (connection->taken_over)
		span->head.span_flags |= USPAN_SPAN_HIJACKED;
	put_outcome(span, connection, how);
	span_finish_head(span, &site, bpf_get_current_pid_tgid(), EXCHANGE_SOURCE,
			 how & FINISH_AT_TOUCH && touched_ktime_ns ? touched_ktime_ns : bpf_ktime_get_ns());
	send(span, key, exchange_of(span)->has_long);
	if (exchange_of(span)->has_long)
		bpf_map_delete_elem(&node_long_fields, key);
}

/*
 * Ends the first request in flight on the connection whose slot 0 is `zero`, and makes the next one the first. If its entry is missing,
 * there was no room, which was counted when it came. Global, because it is called from many places.
 */
__noinline int finish_request(const struct uspan_open_span_key *connection_key, struct uspan_open_span *zero, __u32 probe_and_how)
{
	struct uspan_open_span_key key;
	struct uspan_node_exchange *connection;
	struct uspan_open_span *span, *next;

	if (!connection_key || !zero)
		return 0;
	connection = exchange_of(zero);
	if (connection->queue.active == 0)
		return 0;
	key = *connection_key;
	key.slot = connection->queue.first;
	if (!key.slot) {
		if (zero->open)
			end_request(zero, &key, connection, probe_and_how);
	} else {
		span = span_find(&EXCHANGES, &key);
		if (span) {
			if (span->open)
				end_request(span, &key, connection, probe_and_how);
			span_delete(&EXCHANGES, EXCHANGE_SOURCE, &key);
		}
	}
	give_slot(&connection->queue);
	next = 0;
	if (connection->queue.active) {
		key.slot = connection->queue.first;
		next = span_find(&EXCHANGES, &key);
	}
	expect_response(&connection->response, next ? exchange_of(next) : 0);
	return 0;
}

/* A connection, and its requests one after the other. */
struct ending {
	const struct uspan_open_span_key *key;
	struct uspan_open_span *zero;
	__u32 probe_and_how;
	__u32 reserved;
};

static long abort_request(__u32 index __attribute__((unused)), struct ending *ending)
{
	if (exchange_of(ending->zero)->queue.active == 0)
		return 1;
	finish_request(ending->key, ending->zero, ending->probe_and_how | FINISH_ABORTED << 16);
	return 0;
}

/* Nothing more comes on a connection, so what is in flight on it ends. */
static __always_inline void abort_requests(const struct uspan_open_span_key *key, struct uspan_open_span *zero, __u32 probe_and_how)
{
	struct ending ending = { .key = key, .zero = zero, .probe_and_how = probe_and_how };

	if (exchange_of(zero)->queue.active)
		bpf_loop(USPAN_NODE_MAX_WAITING, abort_request, &ending, 0);
	span_delete(&EXCHANGES, EXCHANGE_SOURCE, key);
}

/* The connection has ended. What is still in flight on it has no end of its own, except for a body that lasts until here. */
static __always_inline void close_exchanges(const struct uspan_open_span_key *key, __u32 probe_and_how, bool ending_is_end)
{
	struct uspan_open_span *zero = span_find(&EXCHANGES, key);
	struct uspan_node_exchange *connection;

	if (!zero)
		return;
	connection = exchange_of(zero);
	if (connection->queue.active && (connection->response.phase == USPAN_NODE_PHASE_CLOSE || (ending_is_end && connection->response.ending)))
		finish_request(key, zero, probe_and_how | FINISH_AT_TOUCH << 16);
	abort_requests(key, zero, probe_and_how);
}

/* After a hit: keeps the entry of a connection with nothing in flight for its next request, or frees it. */
static __always_inline void settle(const struct uspan_open_span_key *key, struct uspan_open_span *zero, __u32 probe_and_how)
{
	struct uspan_node_exchange *connection = exchange_of(zero);

	if (connection->taken_over) {
		/* What a client sends through a tunnel begins like on a new connection. */
		set_role(key, connection->tunnelled && EXCHANGE_SOURCE == USPAN_EVENT_NODE_HTTP_CLIENT ? USPAN_NODE_ROLE_UNKNOWN
												       : USPAN_NODE_ROLE_OTHER);
		abort_requests(key, zero, probe_and_how);
	} else if (connection->queue.active == 0) {
		span_release(&EXCHANGES, EXCHANGE_SOURCE, key);
	}
}

/*
 * Looks up once what is known of a connection, sets its role, and puts the peer where the fields of its requests begin. `zero` is a new
 * entry, because only a new one has not looked yet.
 */
static __always_inline void meet_connection(struct uspan_open_span *zero, const struct uspan_node_connection *met, __u32 socket_field)
{
	exchange_of(zero)->known = 1;
	exchange_of(zero)->peer_bytes = put_peer_first(zero, &met->peer, socket_field);
}

/* Begins a request of a connection in its slot, which is left in `key`. 0: there is no room, which is counted. */
static __always_inline struct uspan_open_span *push_request(struct uspan_open_span *zero, struct uspan_open_span_key *key)
{
	struct uspan_node_exchange *connection = exchange_of(zero);
	struct uspan_open_span *span = zero;

	if (!take_slot(&connection->queue, &key->slot))
		return 0;
	if (key->slot) {
		span = span_new(&EXCHANGES, EXCHANGE_SOURCE, key);
		if (!span)
			return 0;
		__builtin_memcpy(span->fields, zero->fields, PEER_FIELD_BYTES);
	}
	count(USPAN_COUNTER_NODE_REQUESTS);
	span_start(span, 0);
	exchange_of(span)->has_long = 0;
	return span;
}

#endif
