// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go database/sql: one span an operation from two hits.
 *
 * An operation begins where its arguments are in registers: at the entry of the methods of DB and Stmt; for a Tx or Conn, which hold their
 * connection, at the call of the function that all of their methods share. It ends well at an instruction that only success comes to, or
 * that has the error in a register. It ends badly
 *   - from the pool: in (*DB).retry, which makes up to two more attempts when the connection was bad. Its `call errors.Is` has the error,
 *     the branch behind it the verdict. So the attempts of an operation are one span.
 *   - on a held connection: at the function that it is given back by.
 *
 * A query's third attempt fails without passing a cheap instruction. That is recognised at the goroutine's next operation, see begin().
 *
 * All are keyed by goroutine. One program serves all moments, so a binary needs one link. Own BPF rather than a generic pair because of
 * the attempts, and because driver and error are told by following Go's interfaces.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/regs.h"
#include "span/spans.h"
#include "go/link.h"
#include "go/sql_driver.h"
#include "span/texts.h"

char LICENSE[] SEC("license") = "GPL";

/* Twice the requests in flight: see keep_or_delete(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * 16384);
	__type(key, struct uspan_open_span_key);
	__type(value, struct uspan_sql_in_flight);
} go_sql_in_flight SEC(".maps");

/* All zero: what a new entry starts from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_sql_in_flight);
} go_sql_blank SEC(".maps");

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_sql_config);
} go_sql_configs SEC(".maps");

/* As in go_http.bpf.c. */
static __u64 in_flight_entries;
volatile __u64 in_flight_swept SEC(".data.sql_swept");

#define MAX_ERROR_TYPE_BYTES 128
#define MAX_ERROR_MESSAGE_BYTES 64
#define MAX_STATUS_BYTES 16

static __always_inline __u32 max_text_bytes(__u32 text)
{
	switch (text) {
	case USPAN_SQL_TEXT_STATEMENT:
		return uspan_config.max_statement_bytes;
	case USPAN_SQL_TEXT_ERROR_TYPE:
		return MAX_ERROR_TYPE_BYTES;
	case USPAN_SQL_TEXT_ERROR_MESSAGE:
		return MAX_ERROR_MESSAGE_BYTES;
	default:
		return MAX_STATUS_BYTES;
	}
}

static __always_inline struct uspan_sql_in_flight *new_entry(const struct uspan_open_span_key *key)
{
	struct uspan_sql_in_flight *zero;
	__u32 first = 0;

	zero = bpf_map_lookup_elem(&go_sql_blank, &first);
	if (!zero || bpf_map_update_elem(&go_sql_in_flight, key, zero, BPF_ANY)) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	__sync_fetch_and_add(&in_flight_entries, 1);
	return bpf_map_lookup_elem(&go_sql_in_flight, key);
}

/* As in go_http.bpf.c: a finished entry stays for its goroutine's next operation while the map is not half full. */
static __always_inline void keep_or_delete(const struct uspan_open_span_key *key)
{
	__s64 entries = in_flight_entries - in_flight_swept;

	if (entries > (__s64)uspan_config.in_flight_keep && bpf_map_delete_elem(&go_sql_in_flight, key) == 0)
		__sync_fetch_and_add(&in_flight_entries, -1);
}

/* Keeps the statement's beginning: once the driver has it, nobody need hold its memory any more. */
static __always_inline void keep_statement(struct uspan_sql_in_flight *entry)
{
	const struct uspan_text_ref *statement = &entry->text[USPAN_SQL_TEXT_STATEMENT];
	__u64 len = statement->len < USPAN_SMALL_TEXT_BYTES ? statement->len : USPAN_SMALL_TEXT_BYTES - 1;

	entry->kept_len = 0;
	if (len && bpf_probe_read_user(entry->raw, len & (USPAN_SMALL_TEXT_BYTES - 1), (void *)statement->ptr) == 0)
		entry->kept_len = len;
}

/* Copies the texts behind an event in the entry's own memory, where the statement is already if it was kept whole. */
static __always_inline __u32 copy_small(struct uspan_sql_in_flight *entry)
{
	struct uspan_sql_event *event = &entry->event;
	__u32 kept = entry->kept_len & (USPAN_SMALL_TEXT_BYTES - 1), first = 0, bytes;

	event->unreadable_mask = 0;
	if (kept && kept == event->text_len[USPAN_SQL_TEXT_STATEMENT])
		first = USPAN_SQL_TEXT_ERROR_TYPE;
	else
		kept = 0;
	bytes = copy_texts(entry->text, first, USPAN_SQL_TEXTS, event->text_len, &event->unreadable_mask, entry->raw, kept,
			   USPAN_SMALL_TEXT_BYTES - 1);
	if (event->unreadable_mask)
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
	return bytes & (USPAN_SMALL_TEXT_BYTES - 1);
}

/* Copies the texts behind an event. `mask` and `to` are copy_texts()'s. */
static __always_inline __u32 copy_all(struct uspan_sql_in_flight *entry, struct uspan_sql_event *event, __u8 *to, __u32 mask)
{
	__u32 bytes;

	event->unreadable_mask = 0;
	bytes = copy_texts(entry->text, 0, USPAN_SQL_TEXTS, event->text_len, &event->unreadable_mask, to, 0, mask);
	if (event->unreadable_mask)
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
	return bytes > mask ? mask : bytes;
}

/* Sends a finished operation. Its head is filled, but for its length. */
static __always_inline void send(struct uspan_sql_in_flight *entry)
{
	struct uspan_sql_event *event = &entry->event;
	struct uspan_large *buffer;

	if (measure_texts(entry->text, USPAN_SQL_TEXTS, max_text_bytes, event->text_len, &event->cut_mask) < USPAN_SMALL_TEXT_BYTES) {
		if (event->cut_mask)
			event->span.span_flags |= USPAN_SPAN_CUT;
		submit(event, sizeof(*event) + copy_small(entry));
		return;
	}
	if (event->cut_mask)
		event->span.span_flags |= USPAN_SPAN_CUT;
	buffer = take_large();
	if (!buffer) {
		count(USPAN_COUNTER_LOST_RING_FULL);
		return;
	}
	event = (void *)buffer->bytes;
	*event = entry->event;
	submit(event, sizeof(*event) + copy_all(entry, event, buffer->bytes + sizeof(*event), USPAN_LARGE_BYTES - 1));
	give_large(buffer);
}

/* Ends an operation, with the entry's error if it failed. */
static __always_inline void finish(struct hit *hit, struct uspan_sql_in_flight *entry, __u32 failed)
{
	entry->active = 0;
	if (!entry->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	finish_head(&entry->event.span, hit->key.pid, USPAN_EVENT_SQL, hit->probe_id);
	if (failed)
		read_error(hit, entry);
	send(entry);
}

/*
 * Ends an operation that failed twice and whose third attempt did not succeed, now that its goroutine begins another: with the second
 * failure, and with the statement as it was kept then.
 */
static __always_inline void finish_late(struct hit *hit, struct uspan_sql_in_flight *entry)
{
	struct uspan_sql_event *event = &entry->event;
	__u32 kept = entry->kept_len & (USPAN_SMALL_TEXT_BYTES - 1), bytes;

	if (!entry->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	finish_head(&event->span, hit->key.pid, USPAN_EVENT_SQL, hit->probe_id);
	event->span.head.ktime_ns = entry->error_ktime_ns;
	read_error(hit, entry);
	measure_texts(entry->text, USPAN_SQL_TEXTS, max_text_bytes, event->text_len, &event->cut_mask);
	event->cut_mask = entry->text[USPAN_SQL_TEXT_STATEMENT].len > kept ? 1 << USPAN_SQL_TEXT_STATEMENT : 0;
	if (event->cut_mask)
		event->span.span_flags |= USPAN_SPAN_CUT;
	event->text_len[USPAN_SQL_TEXT_STATEMENT] = kept;
	event->unreadable_mask = 0;
	bytes = copy_texts(entry->text, USPAN_SQL_TEXT_ERROR_TYPE, USPAN_SQL_TEXTS, event->text_len, &event->unreadable_mask, entry->raw,
			   kept, USPAN_SMALL_TEXT_BYTES - 1);
	submit(event, sizeof(*event) + (bytes & (USPAN_SMALL_TEXT_BYTES - 1)));
}

/* What an operation begins with. */
struct beginning {
	struct go_interface context; /* all zero: none is at hand */
	struct uspan_text_ref statement;
	__u64 db;
	enum uspan_sql_connection connection;
	enum uspan_sql_operation operation;
};

static __always_inline void begin(struct hit *hit, struct beginning *beginning)
{
	struct uspan_sql_in_flight *entry = bpf_map_lookup_elem(&go_sql_in_flight, &hit->key);
	struct uspan_sql_event *event;

	if (!entry) {
		entry = new_entry(&hit->key);
		if (!entry)
			return;
	} else if (entry->active) {
		if (entry->attempts >= 2)
			finish_late(hit, entry);
		else
			count(USPAN_COUNTER_LOST_NEVER_ENDED);
	}
	event = &entry->event;
	event->span.start_ktime_ns = bpf_ktime_get_ns();
	event->span.span_flags = 0;
	event->status_number = 0;
	event->failed = 0;
	event->operation = beginning->operation;
	entry->attempts = 0;
	entry->active = beginning->connection;
	__builtin_memset(entry->text, 0, sizeof(entry->text));
	entry->text[USPAN_SQL_TEXT_STATEMENT] = beginning->statement;
	entry->sampled = begin_child(hit->base, &hit->key, beginning->context, &hit->config->link, &event->span);
	/*
	 * A goroutine mostly stays with one database, and what one is does not change. (The memory of one that is closed may become
	 * another's, of another driver: not worth reading it each time.)
	 */
	if (entry->sampled && entry->db != beginning->db) {
		event->system = system_of(hit, beginning->db);
		entry->db = beginning->db;
	}
	if (entry->sampled)
		keep_statement(entry);
}

/* (*Stmt).QueryContext, ExecContext (s *Stmt, ctx context.Context, args ...any) */
static __always_inline void of_statement(const struct hit *hit, struct beginning *beginning, __u64 statement)
{
	struct {
		__u64 db;
		struct uspan_text_ref query;
	} fields = {};

	bpf_probe_read_user(&fields, sizeof(fields), (void *)(statement + hit->config->stmt_db));
	beginning->db = fields.db;
	beginning->statement = fields.query;
}

/*
 * The context of the transaction that ends at `withLock(tx.dc, func() { err = tx.txi.Commit() })`. The function is its code, &err and tx, of
 * Go 1.21 to 1.27. All zero if it is not.
 */
static __always_inline struct go_interface transaction_context(const struct hit *hit)
{
	struct go_interface context = {};
	__u64 tx;

	if (!hit->config->tx_ctx)
		return context;
	tx = go_word(hit->argument[2] + 16);
	if (go_word(tx + hit->config->tx_conn) == hit->argument[1])
		bpf_probe_read_user(&context, sizeof(context), (void *)(tx + hit->config->tx_ctx));
	return context;
}

/* Fills in what a start has in its registers; false for another moment. */
static __always_inline bool beginning_of(const struct hit *hit, struct beginning *beginning)
{
	beginning->db = hit->argument[0];
	beginning->context.type = hit->argument[1];
	beginning->context.data = hit->argument[2];
	beginning->connection = USPAN_SQL_FROM_POOL;
	switch (hit->moment) {
	case USPAN_SQL_DB_PREPARE: /* (db *DB, ctx context.Context, query string) */
		beginning->operation = USPAN_SQL_OP_PREPARE;
	case USPAN_SQL_DB_RUN: /* (db *DB, ctx context.Context, query string, args ...any) */
		beginning->statement.ptr = hit->argument[3];
		beginning->statement.len = hit->argument[4];
		return true;
	case USPAN_SQL_STMT_RUN:
		of_statement(hit, beginning, hit->argument[0]);
		return true;
	case USPAN_SQL_BEGIN: /* (db *DB, ctx context.Context, opts *TxOptions) */
		beginning->operation = USPAN_SQL_OP_BEGIN;
		return true;
	}
	beginning->connection = USPAN_SQL_HELD;
	switch (hit->moment) {
	case USPAN_SQL_HELD_PREPARE: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), cg stmtConnGrabber, query string) */
		beginning->operation = USPAN_SQL_OP_PREPARE;
	case USPAN_SQL_HELD_QUERY: /* (db *DB, ctx, txctx context.Context, dc *driverConn, releaseConn func(error), query string, args []any) */
		beginning->statement.ptr = hit->argument[7];
		beginning->statement.len = hit->argument[8];
		return true;
	case USPAN_SQL_HELD_EXEC: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), query string, args []any) */
		beginning->statement.ptr = hit->argument[5];
		beginning->statement.len = hit->argument[6];
		return true;
	case USPAN_SQL_HELD_BEGIN: /* (db *DB, ctx context.Context, dc *driverConn, release func(error), opts *TxOptions) */
		beginning->operation = USPAN_SQL_OP_BEGIN;
		return true;
	case USPAN_SQL_COMMIT: /* withLock(lk sync.Locker, fn func()): the locker is a *driverConn */
	case USPAN_SQL_ROLLBACK:
		beginning->operation = hit->moment == USPAN_SQL_COMMIT ? USPAN_SQL_OP_COMMIT : USPAN_SQL_OP_ROLLBACK;
		beginning->db = go_word(hit->argument[1] + hit->config->conn_db);
		beginning->context = transaction_context(hit);
		return true;
	}
	return false;
}

static __always_inline void keep_error(struct uspan_sql_in_flight *entry, __u64 itab, __u64 data)
{
	entry->error_itab = itab;
	entry->error_data = data;
	entry->error_ktime_ns = bpf_ktime_get_ns();
}

/* An attempt gave this error, or nil. Nothing is made of a failure but of the last attempt's: retry() has the others. */
static __always_inline bool succeeded_or_last(struct uspan_sql_in_flight *entry, __u64 itab, __u64 data, __u32 *failed)
{
	if (!itab)
		return true;
	if (entry->attempts < 2)
		return false;
	keep_error(entry, itab, data);
	*failed = 1;
	return true;
}

/* Whether this hit is the end of the operation; `failed`: with an error. */
static __always_inline bool ends(const struct hit *hit, struct uspan_sql_in_flight *entry, __u32 *failed)
{
	switch (hit->moment) {
	case USPAN_SQL_SUCCEEDED:
		return true;
	case USPAN_SQL_PREPARED: /* (stmt *Stmt, err error) */
		return succeeded_or_last(entry, hit->argument[1], hit->argument[2], failed);
	case USPAN_SQL_EXECUTED: /* (res Result, err error) */
		return succeeded_or_last(entry, hit->argument[2], hit->argument[3], failed);
	case USPAN_SQL_FAILED:
		if (entry->active == USPAN_SQL_FROM_POOL)
			keep_error(entry, hit->argument[0], hit->argument[1]);
		return false;
	case USPAN_SQL_RETRIED:
		if (entry->active != USPAN_SQL_FROM_POOL)
			return false;
		*failed = 1;
		if ((hit->argument[0] & 0xff) == 0)
			return true;
		entry->attempts++;
		return false;
	case USPAN_SQL_RELEASED:
		if (entry->active != USPAN_SQL_HELD)
			return false;
		*failed = hit->argument[0] != 0;
		if (*failed)
			keep_error(entry, hit->argument[0], hit->argument[1]);
		return true;
	}
	return false;
}

static __always_inline void end(struct hit *hit)
{
	struct uspan_sql_in_flight *entry = bpf_map_lookup_elem(&go_sql_in_flight, &hit->key);
	__u32 failed = 0;

	if (!entry || !entry->active) {
		/* The others are passed without an operation, too: when rows are closed, or a connection is asked for. */
		if (hit->moment >= USPAN_SQL_SUCCEEDED && hit->moment <= USPAN_SQL_EXECUTED)
			count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	if (!ends(hit, entry, &failed))
		return;
	finish(hit, entry, failed);
	keep_or_delete(&hit->key);
}

static __always_inline void read_arguments(const volatile struct pt_regs *ctx, struct hit *hit)
{
	hit->argument[0] = GO_ARG0(ctx);
	hit->argument[1] = GO_ARG1(ctx);
	hit->argument[2] = GO_ARG2(ctx);
	hit->argument[3] = GO_ARG3(ctx);
	hit->argument[4] = GO_ARG4(ctx);
	hit->argument[5] = GO_ARG5(ctx);
	hit->argument[6] = GO_ARG6(ctx);
	hit->argument[7] = GO_ARG7(ctx);
	hit->argument[8] = GO_ARG8(ctx);
}

SEC("uprobe")
int go_sql(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct beginning beginning = {};
	struct hit hit = {
		.key = { .owner = GO_G(ctx), .pid = bpf_get_current_pid_tgid() >> 32 },
		.base = GO_IP(ctx) - site.spec,
		.probe_id = site.probe_id,
		.moment = site.moment,
	};

	hit.config = bpf_map_lookup_elem(&go_sql_configs, &site.probe_id);
	if (!hit.config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(hit.config->probe.filter_by_process, hit.key.pid)) {
		if (site.moment <= USPAN_SQL_HELD_PREPARE)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	read_arguments(ctx, &hit);
	if (beginning_of(&hit, &beginning))
		begin(&hit, &beginning);
	else
		end(&hit);
	return 0;
}
