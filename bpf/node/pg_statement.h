/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Connections to PostgreSQL, and the statements in flight on each, first in, first out. */
#ifndef USPAN_NODE_PG_STATEMENT_H
#define USPAN_NODE_PG_STATEMENT_H

#include <bpf/bpf_endian.h>
#include "node/fields.h"
#include "node/pg_stream.h"
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

#define KEPT_BYTES (PEER_FIELD_BYTES + FIELD_HEAD + USPAN_NODE_DATABASE_BYTES) /* at most */

static __always_inline struct uspan_node_pg_exchange *pg_of(struct uspan_open_span *span)
{
	return (struct uspan_node_pg_exchange *)span->own;
}

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

/*
 * The entry of a connection that has none: slot 0, with the fields that all its statements have. Nothing is in flight on it, and no message
 * has begun. 0: there is no room, which is counted. What is sent and answered until there is, is not known.
 */
static __always_inline struct uspan_open_span *enter_pg(struct uspan_node_pg *pg, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *zero = span_new(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);

	pg->unsynced = !zero;
	pg->answered = 0;
	if (!zero)
		return 0;
	zero->used = put_peer_first(zero, &pg->peer, USPAN_NODE_PG_SOCKET);
	if (pg->database_len)
		span_put_kernel(zero, USPAN_NODE_PG_DATABASE, pg->database, sizeof(pg->database), pg->database_len);
	pg_of(zero)->kept_bytes = zero->used;
	pg_of(zero)->born_ktime_ns = pg->born_ktime_ns;
	return zero;
}

/* After a hit: keeps the entry of a connection with nothing in flight for its next statement, or frees it. */
static __always_inline void settle(struct uspan_open_span *zero, const struct uspan_open_span_key *key)
{
	const struct uspan_node_pg_exchange *pg = pg_of(zero);

	if (!pg->queue.active && !pg->statement_open && !pg->unconfirmed && is_between_messages(&pg->read) &&
	    is_between_messages(&pg->written))
		span_release(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);
}

/* A statement that begins now, in its slot, which is left in `key`. 0: there is no room, which is counted. */
static __always_inline struct uspan_open_span *push_statement(struct uspan_open_span *zero, struct uspan_open_span_key *key)
{
	struct uspan_node_pg_exchange *pg = pg_of(zero);
	struct uspan_open_span *span = zero;

	if (!take_slot(&pg->queue, &key->slot))
		return 0;
	if (key->slot) {
		span = span_new(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);
		if (!span)
			return 0;
		__builtin_memcpy(span->fields, zero->fields, KEPT_BYTES);
	}
	count(USPAN_COUNTER_NODE_REQUESTS);
	span_start(span, pg->kept_bytes);
	pg_of(span)->has_long = 0;
	return span;
}

static __always_inline void put_outcome(struct uspan_open_span *span, struct uspan_node_pg_exchange *pg, bool aborted)
{
	if (pg->sqlstate[0])
		span_put_kernel(span, USPAN_NODE_PG_SQLSTATE, pg->sqlstate, sizeof(pg->sqlstate), 5);
	if (aborted)
		span_put_number(span, USPAN_NODE_PG_ERROR, pg->error);
}

static __always_inline void end_statement(struct uspan_open_span *span, const struct uspan_open_span_key *key,
					  struct uspan_node_pg_exchange *pg, __u32 probe_id, __u32 aborted)
{
	struct site site = { .probe_id = probe_id };

	span->open = 0;
	if (!span->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	if (aborted)
		span->head.span_flags |= USPAN_SPAN_ABORTED;
	put_outcome(span, pg, aborted);
	span_finish_head(span, &site, bpf_get_current_pid_tgid(), USPAN_EVENT_NODE_SQL, bpf_ktime_get_ns());
	send(span, key, pg_of(span)->has_long);
	if (pg_of(span)->has_long)
		bpf_map_delete_elem(&node_long_fields, key);
}

/*
 * Ends the first statement in flight on the connection whose slot 0 is `zero`. If its entry is missing, there was no room, which was
 * counted when it came. Global, because it is called from several places.
 */
__noinline int finish_statement(const struct uspan_open_span_key *connection_key, struct uspan_open_span *zero, __u32 probe_id,
				__u32 aborted)
{
	struct uspan_node_pg_exchange *pg;
	struct uspan_open_span_key key;
	struct uspan_open_span *span;

	if (!connection_key || !zero)
		return 0;
	pg = pg_of(zero);
	if (pg->queue.active == 0)
		return 0;
	key = *connection_key;
	key.slot = pg->queue.first;
	if (!key.slot) {
		if (zero->open)
			end_statement(zero, &key, pg, probe_id, aborted);
	} else {
		span = span_find(&node_pg_in_flight, &key);
		if (span) {
			if (span->open)
				end_statement(span, &key, pg, probe_id, aborted);
			span_delete(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, &key);
		}
	}
	pg->sqlstate[0] = 0;
	pg->unconfirmed = 0;
	give_slot(&pg->queue);
	if (!pg->queue.active)
		pg->extended = pg->statement_open;
	return 0;
}

/* A connection, and its statements one after the other. */
struct ending {
	struct uspan_open_span *zero;
	const struct uspan_open_span_key *key;
	__u32 probe_id;
	__u32 reserved;
};

static long forget_statement(__u32 index __attribute__((unused)), struct ending *ending)
{
	struct uspan_node_queue *queue = &pg_of(ending->zero)->queue;
	struct uspan_open_span_key key = *ending->key;
	struct uspan_open_span *span;

	if (queue->active == 0)
		return 1;
	key.slot = queue->first;
	give_slot(queue);
	span = key.slot ? span_find(&node_pg_in_flight, &key) : ending->zero;
	if (span)
		forget(span, &key, pg_of(span)->has_long);
	if (key.slot)
		span_delete(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, &key);
	return 0;
}

/*
 * What was read or written contradicts what is known of a connection. Any answer could belong to any of its statements now, so they have no
 * end. It begins anew when it is certain again what is in flight: see pg_observe.h. A connection that only looked like one to PostgreSQL is
 * none.
 */
static __noinline int lose_track(const struct uspan_open_span_key *key, struct uspan_open_span *zero)
{
	struct uspan_node_pg *pg = find_pg(key);
	struct ending ending = { .zero = zero, .key = key };
	bool unconfirmed = pg_of(zero)->unconfirmed;

	if (pg) {
		pg->unsynced = 1;
		pg->answered = 0;
		/* With nothing in flight, there was an answer to something that nobody has seen. */
		if (pg_of(zero)->queue.active != 1)
			pg->pipelined = 1;
	}
	if (unconfirmed) {
		zero->open = 0;
		bpf_map_delete_elem(&node_pg_connections, key);
		set_role(key, USPAN_NODE_ROLE_OTHER);
	}
	bpf_loop(USPAN_NODE_MAX_WAITING, forget_statement, &ending, 0);
	span_delete(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);
	return 0;
}

#endif
