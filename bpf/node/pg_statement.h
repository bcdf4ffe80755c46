/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Connections to PostgreSQL, and the statements in flight on each, first in, first out. */
#ifndef USPAN_NODE_PG_STATEMENT_H
#define USPAN_NODE_PG_STATEMENT_H

#include <bpf/bpf_endian.h>
#include "node/fields.h"
#include "node/queue.h"

OPEN_SPANS(node_pg_in_flight);

/* Made when a connection turns out to be one to PostgreSQL, and removed when it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_open_span_key);
	__type(value, struct uspan_node_pg);
} node_pg_connections SEC(".maps");

#define MESSAGE_HEADER 5 /* type and length, which counts itself */

/* What a statement keeps in uspan_open_span.own: whether it has an entry in node_long_fields. */
#define HAS_LONG(span) ((span)->own[0])

static __always_inline struct uspan_node_pg *find_pg(const struct uspan_open_span_key *key)
{
	return bpf_map_lookup_elem(&node_pg_connections, key);
}

/* From here on, the connection is one to PostgreSQL. 0: there is no room, which is counted. */
static __always_inline struct uspan_node_pg *add_pg(const struct uspan_open_span_key *key)
{
	struct uspan_node_pg fresh = { .born_ktime_ns = bpf_ktime_get_ns() };
	struct uspan_node_connection *connection = add_connection(key);
	long refused;

	if (!connection)
		return 0;
	set_role_of(connection, key, USPAN_NODE_ROLE_PG);
	fresh.peer = connection->peer;
	refused = bpf_map_update_elem(&node_pg_connections, key, &fresh, BPF_ANY);
	if (refused) {
		count_refused(refused);
		return 0;
	}
	return find_pg(key);
}

/* A statement that begins now, in its slot, which is left in `key`. 0: there is no room, which is counted. */
static __always_inline struct uspan_open_span *push_statement(struct uspan_node_pg *pg, struct uspan_open_span_key *key)
{
	struct uspan_open_span *span;

	if (!take_slot(&pg->queue, &key->slot))
		return 0;
	span = span_open(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);
	if (!span)
		return 0;
	count(USPAN_COUNTER_NODE_REQUESTS);
	span_start(span, 0);
	HAS_LONG(span) = 0;
	return span;
}

static __always_inline void put_outcome(struct uspan_open_span *span, struct uspan_node_pg *pg, bool aborted)
{
	if (pg->sqlstate[0])
		span_put_kernel(span, USPAN_NODE_PG_SQLSTATE, pg->sqlstate, sizeof(pg->sqlstate), 5);
	if (aborted)
		span_put_number(span, USPAN_NODE_PG_ERROR, pg->error);
}

/*
 * Ends the first statement in flight. If its entry is missing, there was no room, which was counted when it came. Global, because it is
 * called from several places.
 */
__noinline int finish_statement(const struct uspan_open_span_key *connection_key, struct uspan_node_pg *pg, __u32 probe_id, __u32 aborted)
{
	struct site site = { .probe_id = probe_id };
	struct uspan_open_span_key key;
	struct uspan_open_span *span;

	if (!connection_key || !pg || pg->queue.active == 0)
		return 0;
	key = *connection_key;
	key.slot = pg->queue.first;
	span = span_find(&node_pg_in_flight, &key);
	if (span && span->open) {
		span->open = 0;
		if (!span->sampled) {
			count(USPAN_COUNTER_SAMPLED_OUT);
		} else {
			if (aborted)
				span->head.span_flags |= USPAN_SPAN_ABORTED;
			put_outcome(span, pg, aborted);
			span_finish_head(span, &site, bpf_get_current_pid_tgid(), USPAN_EVENT_NODE_SQL, bpf_ktime_get_ns());
			send(span, &key, HAS_LONG(span));
			if (HAS_LONG(span))
				bpf_map_delete_elem(&node_long_fields, &key);
		}
	}
	pg->sqlstate[0] = 0;
	give_slot(&pg->queue);
	if (key.slot == 0 && !aborted)
		span_release(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, &key);
	else
		span_delete(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, &key);
	return 0;
}

#endif
