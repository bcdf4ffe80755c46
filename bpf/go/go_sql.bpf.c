// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go database/sql: one span per operation, from two hits.
 *
 * An operation begins where its arguments are in registers. For methods of DB and Stmt, that is their entry. A Tx or Conn holds its
 * connection; for them it is the call of the function that all of their methods share. It succeeds at an instruction that only success
 * reaches, or that has the error in a register. It fails
 *   - from the pool: in (*DB).retry, which makes up to two more attempts if the connection was bad. Its `call errors.Is` has the error,
 *     the branch behind it the verdict. So the attempts of an operation are one span.
 *   - on a held connection: at the function that gives it back.
 *
 * A query's third attempt fails without passing a cheap instruction. The goroutine's next operation reveals that, see begin().
 *
 * The goroutine is the key of all. One program serves all moments, so a binary needs one link. A generic pair does not fit, because of the
 * attempts, and because driver and error are found by following Go's interfaces.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/errors.h"
#include "go/link.h"
#include "go/sql_driver.h"
#include "go/sql_hit.h"

char LICENSE[] SEC("license") = "GPL";

OPEN_SPANS(go_sql_in_flight);

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_sql_config);
} go_sql_configs SEC(".maps");

#define KEPT_STATEMENT_BYTES 384

/* What an operation keeps between its start and its end. */
static __always_inline struct uspan_go_operation *go_operation(struct uspan_open_span *span)
{
	return (struct uspan_go_operation *)span->own;
}

static __always_inline void send(const struct hit *hit, struct uspan_open_span *span, __u64 end_ktime_ns)
{
	span->open = 0;
	if (!span->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	span_finish_head(span, &hit->site, hit->pid_tgid, USPAN_EVENT_SQL, end_ktime_ns);
	span_send(span);
}

/* Makes the record what it was before an attempt failed. */
static __always_inline void forget_error(struct uspan_open_span *span)
{
	span->used = go_operation(span)->used;
	span->late = go_operation(span)->late;
}

/* An attempt failed with this error. It is read now, because the program need not keep it until the operation ends. */
static __always_inline void put_failure(const struct hit *hit, struct uspan_open_span *span, struct go_interface error)
{
	const struct uspan_go_binary *binary = go_binary(&hit->config->probe);
	struct go_error_walk walk = { .at = error };

	go_operation(span)->error_ktime_ns = bpf_ktime_get_ns();
	if (!span->sampled || !binary)
		return;
	find_error(&walk, binary);
	put_error(span, &walk, hit->base, binary);
}

/*
 * There will be another attempt. The third one may fail unseen. Then the operation is sent later, when its statement may have been freed.
 */
static __always_inline void count_attempt(struct uspan_open_span *span)
{
	struct uspan_go_operation *operation = go_operation(span);

	operation->attempts++;
	if (operation->attempts == 2 && operation->late)
		put_text(span, operation->statement, KEPT_STATEMENT_BYTES, USPAN_SQL_FIELD_STATEMENT | USPAN_FIELD_CUT << 8);
}

/* The last operation of this goroutine failed twice, and its third attempt did not succeed. It ends with the second failure. */
static __always_inline void finish_late(const struct hit *hit, struct uspan_open_span *span)
{
	span->late = 0;
	send(hit, span, go_operation(span)->error_ktime_ns);
}

static __always_inline void begin(const struct hit *hit, const struct beginning *beginning)
{
	struct uspan_open_span *span = span_open(&go_sql_in_flight, USPAN_EVENT_SQL, &hit->key);
	const struct uspan_probe_head *probe = &hit->config->probe;
	struct uspan_go_operation *operation;

	if (!span)
		return;
	operation = go_operation(span);
	if (span->open && operation->attempts >= 2)
		finish_late(hit, span);
	else if (span->open)
		span_abandon(span);
	span_start(span, 0);
	operation->attempts = 0;
	operation->late = 0;
	if (!begin_for_request(span, hit->base, &hit->key, beginning->context, probe))
		span_begin(span, probe, hit->key.owner, SPAN_ROOT);
	span->open = beginning->connection;
	if (!span->sampled)
		return;
	/*
	 * A goroutine mostly stays with one database, and a database does not change its system. (The memory of a closed one may become
	 * another's, of another driver. Reading it each time is not worth that.)
	 */
	if (operation->db != beginning->db) {
		operation->system = system_of(hit, beginning->db);
		operation->db = beginning->db;
	}
	span_put_number(span, USPAN_SQL_FIELD_SYSTEM, operation->system);
	if (beginning->operation)
		span_put_number(span, USPAN_SQL_FIELD_OPERATION, beginning->operation);
	/* Once the driver has it, the program need not keep its memory. */
	span_put(span, USPAN_SQL_FIELD_STATEMENT, beginning->statement, probe->max_statement_bytes);
	operation->statement = beginning->statement.ptr;
	operation->used = span->used;
	operation->late = span->late;
}

/* Whether this hit is the end of the operation. Puts the error, or removes that of an attempt before. */
static __always_inline bool ends(const struct hit *hit, struct uspan_open_span *span)
{
	bool pooled = span->open == USPAN_SQL_FROM_POOL, last = go_operation(span)->attempts >= 2, ended = true;
	const __u64 *argument = hit->argument;
	struct go_interface error = {};

	switch (hit->site.moment) {
	case USPAN_SQL_SUCCEEDED:
		break;
	case USPAN_SQL_PREPARED: /* (stmt *Stmt, err error) */
		error.type = argument[1];
		error.data = argument[2];
		/* Only the failure of the last attempt counts here. retry() handles the others. */
		if (error.type && !last)
			return false;
		break;
	case USPAN_SQL_EXECUTED: /* (res Result, err error) */
		error.type = argument[2];
		error.data = argument[3];
		if (error.type && !last)
			return false;
		break;
	case USPAN_SQL_RETRIED:
		if (!pooled)
			return false;
		if ((argument[0] & 0xff) == hit->config->final)
			return true;
		count_attempt(span);
		return false;
	case USPAN_SQL_FAILED:
	case USPAN_SQL_RELEASED:
		/* The one is for the pool, the other for a held connection. */
		ended = hit->site.moment == USPAN_SQL_RELEASED;
		if (ended == pooled)
			return false;
		error.type = argument[0];
		error.data = argument[1];
		break;
	default:
		return false;
	}
	forget_error(span);
	if (error.type)
		put_failure(hit, span, error);
	return ended;
}

static __always_inline void end(const struct hit *hit)
{
	struct uspan_open_span *span = span_find(&go_sql_in_flight, &hit->key);

	if (!span || !span->open) {
		/* The others also come without an operation: when rows are closed, or a connection is asked for. */
		if (hit->site.moment >= USPAN_SQL_SUCCEEDED && hit->site.moment <= USPAN_SQL_EXECUTED)
			count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	if (!ends(hit, span))
		return;
	send(hit, span, bpf_ktime_get_ns());
	span_release(&go_sql_in_flight, USPAN_EVENT_SQL, &hit->key);
}

SEC("uprobe")
int go_sql(struct pt_regs *ctx)
{
	struct beginning beginning = {};
	struct hit hit = { .site = site_of(ctx), .pid_tgid = bpf_get_current_pid_tgid() };

	hit.key = (struct uspan_open_span_key){ .owner = GO_G(ctx), .pid = hit.pid_tgid >> 32 };
	hit.config = bpf_map_lookup_elem(&go_sql_configs, &hit.site.probe_id);
	if (!hit.config)
		return 0;
	if (!hits_target(&hit.site, &hit.config->probe, hit.key.pid, hit.site.moment <= USPAN_SQL_HELD_PREPARE))
		return 0;
	hit.base = GO_IP(ctx) - hit.site.spec;
	read_arguments(ctx, &hit);
	if (beginning_of(&hit, &beginning))
		begin(&hit, &beginning);
	else
		end(&hit);
	return 0;
}
