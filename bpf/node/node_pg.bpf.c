// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Statements that Node programs send to PostgreSQL, by its wire protocol, version 3: https://www.postgresql.org/docs/current/protocol.html.
 * A statement is what a Query message makes the server do, or a Parse or Bind up to the next Sync. ReadyForQuery ends it. node_core.bpf.c
 * passes all hits on.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "node/pg_observe.h"
#include "node/pg_read.h"
#include "node/pg_write.h"

char LICENSE[] SEC("license") = "GPL";

NODE_PROGRAM(USPAN_NODE_ROLE_PG, node_pg);

#define MAX_STARTUP_PARAMETERS 8
#define MAX_READ_BYTES 0x7fffffff

struct startup {
	struct uspan_node_pg *pg;
	struct hit_scratch *scratch;
	__u64 at;
};

/* One name and value of a startup message. Both end with a zero. */
static long read_parameter(__u32 index __attribute__((unused)), struct startup *startup)
{
	struct uspan_node_pg *pg = startup->pg;
	__u8 *value = startup->scratch->window;
	char name[16] = {};
	long len = read_user_string(name, sizeof(name), startup->at);

	if (len <= 1)
		return 1;
	startup->at += len;
	len = read_user_string(value, USPAN_NODE_DATABASE_BYTES, startup->at);
	if (len <= 0)
		return 1;
	startup->at += len;
	if (__builtin_memcmp(name, "database", 9) == 0) {
		bpf_probe_read_kernel(pg->database, USPAN_NODE_DATABASE_BYTES, value); /* an inlined copy takes too much stack */
		pg->database_len = len - 1;
		return 1;
	}
	return 0;
}

/* A connection that begins. The server answers with ReadyForQuery when it has let the client in. */
static __always_inline void on_startup(const struct hit *hit, const struct uspan_open_span_key *key, const struct uv_buf *first)
{
	struct startup startup = { .pg = add_pg(key), .scratch = hit->scratch, .at = first->base + 8 };
	struct uspan_open_span *zero;

	if (!startup.pg)
		return;
	bpf_loop(MAX_STARTUP_PARAMETERS, read_parameter, &startup, 0);
	zero = enter_pg(startup.pg, key);
	if (!zero)
		return;
	expect_ready(pg_of(zero));
	hit->scratch->piece = 1;
}

/* What the core found to look like this protocol: its startup message, or a statement on a connection that is older than the probes. */
static __noinline int on_first_write(const struct hit *hit, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *zero;
	struct uspan_node_pg *pg;
	struct uv_buf first;
	__u64 word = 0;

	if (bpf_probe_read_user(&first, sizeof(first), (void *)hit->scratch->data) || first.len < 5)
		return 0;
	bpf_probe_read_user(&word, first.len < 8 ? 5 : 8, (void *)first.base);
	if (begins_postgres(&first, word)) {
		on_startup(hit, key, &first);
	} else if (begins_statement(&first, word)) {
		pg = add_pg(key);
		zero = pg ? enter_pg(pg, key) : 0;
		if (zero)
			pg_of(zero)->unconfirmed = 1;
	}
	return 0;
}

/* A write on a connection that has no entry: it is new, or another one needed its entry. */
static __noinline int on_write_anew(const struct hit *hit, const struct uspan_open_span_key *key)
{
	struct uspan_node_pg *pg = find_pg(key);

	if (!pg)
		on_first_write(hit, key);
	else if (!pg->unsynced || observe_write(hit, pg))
		enter_pg(pg, key);
	return 0;
}

static __noinline int on_write(const struct hit *hit, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *zero = span_find(&node_pg_in_flight, key);

	hit->scratch->piece = 0;
	if (!zero) {
		on_write_anew(hit, key);
		zero = span_find(&node_pg_in_flight, key);
	}
	if (zero && !write_messages(hit, key, zero))
		lose_track(key, zero);
	return 0;
}

/* A read on a connection that has no entry. */
static __noinline int on_read_anew(const struct uspan_open_span_key *key, __u64 base, __u32 len)
{
	struct uspan_node_pg *pg = find_pg(key);

	if (pg && pg->unsynced)
		observe_read(pg, base, len);
	else if (pg)
		enter_pg(pg, key);
	return 0;
}

static __noinline int on_read(const struct hit *hit, const struct uspan_open_span_key *key)
{
	struct hit_scratch *scratch = hit->scratch;
	struct uspan_open_span *zero = span_find(&node_pg_in_flight, key);
	__u32 len = scratch->len > MAX_READ_BYTES ? MAX_READ_BYTES : scratch->len;
	__u64 base = 0;

	if (scratch->len < 0) {
		if (zero)
			pg_of(zero)->error = -scratch->len;
		return 0;
	}
	bpf_probe_read_user(&base, sizeof(base), (void *)scratch->data);
	if (!zero) {
		on_read_anew(key, base, len);
		zero = span_find(&node_pg_in_flight, key);
	}
	if (!zero)
		return 0;
	if (read_messages(hit, key, zero, base, len))
		settle(zero, key);
	else
		lose_track(key, zero);
	return 0;
}

static long abort_statement(__u32 index __attribute__((unused)), struct ending *ending)
{
	if (pg_of(ending->zero)->queue.active == 0)
		return 1;
	finish_statement(ending->key, ending->zero, ending->probe_id, 1);
	return 0;
}

/* The connection has ended. What is still in flight on it has no end of its own. */
static __noinline int on_close(const struct hit *hit, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *zero = span_find(&node_pg_in_flight, key);
	struct ending ending = { .zero = zero, .key = key, .probe_id = hit->probe_id };

	if (zero) {
		if (pg_of(zero)->unconfirmed)
			lose_track(key, zero);
		else if (pg_of(zero)->queue.active)
			bpf_loop(USPAN_NODE_MAX_WAITING, abort_statement, &ending, 0);
		span_delete(&node_pg_in_flight, USPAN_EVENT_NODE_SQL, key);
	}
	bpf_map_delete_elem(&node_pg_connections, key);
	return 0;
}

SEC("uprobe")
int node_pg(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_open_span_key key;
	struct hit hit;

	if (!take_hit(&hit, bpf_get_current_pid_tgid()))
		return 0;
	key = connection_key(hit.scratch->stream_base, hit.pid);
	if (site.moment == USPAN_NODE_MOMENT_READ)
		on_read(&hit, &key);
	else if (site.moment == USPAN_NODE_MOMENT_CLOSE)
		on_close(&hit, &key);
	else
		on_write(&hit, &key);
	give_scratch(hit.scratch);
	return 0;
}
