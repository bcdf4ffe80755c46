// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * node:sqlite: one span per statement that JavaScript runs, with two hits each for any number of rows.
 *
 *   stmt.all(), get(), run(), iterate(), and tagged ones  sqlite3_reset(stmt), which node:sqlite calls before it binds the parameters and
 *                       again when the statement is done. The state that SQLite keeps in the statement tells the two apart.
 *   database.exec()     around the call of sqlite3_exec: one span for all statements in its text
 *   database.prepare()  around the call of sqlite3_prepare: a span only if that fails
 *
 * SQLite runs statements of its own (for its schema, and for full-text search) and resets them too. Their return address shows that they do
 * not begin in node:sqlite. Their ends need no check, because nothing is open for them.
 *
 * A program of its own is needed, because the moment of a hit depends on the statement's state and on the caller.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/life.h"

char LICENSE[] SEC("license") = "GPL";

#if defined(__TARGET_ARCH_x86)
#define ARG0(ctx) ((ctx)->di)
#define ARG1(ctx) ((ctx)->si)
#define RESULT(ctx) ((ctx)->ax)
#define IP(ctx) ((ctx)->ip)
#else
#define ARG0(ctx) ((ctx)->regs[0])
#define ARG1(ctx) ((ctx)->regs[1])
#define RESULT(ctx) ((ctx)->regs[0])
#define IP(ctx) ((ctx)->pc)
#endif

/* Owner: a prepared statement, by its address. Or a thread, with the highest bit set. */
OPEN_SPANS(node_sqlite_in_flight);

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_node_sqlite_config);
} node_sqlite_configs SEC(".maps");

/* A hit, as the functions below need it. */
struct hit {
	const struct uspan_node_sqlite_config *config;
	const struct site *site;
	__u64 thread;
	struct uspan_open_span_key key;
};

/* vdbeInt.h: prepared and bound, but not begun. */
#define VDBE_READY_STATE 1

#define THREAD (1ULL << 63)

/* Whether a function of node:sqlite called the function that is about to begin. */
static __always_inline bool called_by_node(const struct pt_regs *ctx, const struct uspan_node_sqlite_config *config)
{
	__u64 caller = 0;
	__s64 distance;

#if defined(__TARGET_ARCH_x86)
	if (bpf_probe_read_user(&caller, sizeof(caller), (void *)ctx->sp))
		return false;
#else
	caller = ctx->regs[30];
#endif
	distance = caller - IP(ctx);
	return distance >= config->callers_low && distance < config->callers_high;
}

/*
 * Begins a span. If one is open, it ends here without a record: it was never run, or its statement went away before its end. `sql`: its
 * text, if that is known.
 */
static __always_inline void begin(const struct hit *hit, __u64 sql)
{
	struct uspan_open_span *span = span_open(&node_sqlite_in_flight, USPAN_EVENT_NODE_SQLITE, &hit->key);

	if (!span)
		return;
	span_start(span, 0);
	span->open = 1;
	span->own[0] = sql;
}

/* Ends it now. It gets its ids only here, because it never is a parent, and most of what is prepared makes no span. */
static __always_inline void end(const struct hit *hit, struct uspan_open_span *span)
{
	/* The request that it is run for is unknown: see docs/nodejs.md. */
	span_begin(span, &hit->config->probe, hit->key.owner, SPAN_ROOT);
	span->open = 0;
	span_finish_head(span, hit->site, hit->thread, USPAN_EVENT_NODE_SQLITE, bpf_ktime_get_ns());
	if (!span->sampled)
		count(USPAN_COUNTER_SAMPLED_OUT);
}

static __always_inline void send(const struct hit *hit, struct uspan_open_span *span, __u64 sql, __u32 result_code)
{
	if (result_code)
		span_put_number(span, USPAN_NODE_SQLITE_RESULT_CODE, result_code);
	if (hit->site->moment == USPAN_NODE_SQLITE_PREPARED)
		span_put_number(span, USPAN_NODE_SQLITE_OPERATION, USPAN_SQL_OP_PREPARE);
	span_put_string(span, USPAN_NODE_SQLITE_STATEMENT, sql, hit->config->probe.max_statement_bytes);
	span_send(span);
}

static __always_inline void on_reset(const struct pt_regs *ctx, const struct hit *hit)
{
	const struct uspan_node_sqlite_config *config = hit->config;
	__u64 statement = hit->key.owner, sql = 0;
	struct uspan_open_span *span;
	__u32 result_code = 0;
	__u8 state = 0;

	if (bpf_probe_read_user(&state, sizeof(state), (void *)(statement + config->state)))
		return; /* NULL: allowed, and nothing to reset */
	if (state == VDBE_READY_STATE) {
		if (called_by_node(ctx, config))
			begin(hit, 0);
		return;
	}
	span = span_find(&node_sqlite_in_flight, &hit->key);
	if (!span || !span->open)
		return; /* SQLite's own, or it began before the probes were attached */
	end(hit, span);
	if (span->sampled) {
		bpf_probe_read_user(&sql, sizeof(sql), (void *)(statement + config->sql));
		bpf_probe_read_user(&result_code, sizeof(result_code), (void *)(statement + config->result_code));
		send(hit, span, sql, result_code);
	}
	span_release(&node_sqlite_in_flight, USPAN_EVENT_NODE_SQLITE, &hit->key);
}

static __always_inline void on_return(const struct hit *hit, __u32 result_code)
{
	struct uspan_open_span *span = span_find(&node_sqlite_in_flight, &hit->key);

	if (!span || !span->open) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	span->open = 0;
	if (hit->site->moment == USPAN_NODE_SQLITE_EXECUTED || result_code != 0) {
		end(hit, span);
		if (span->sampled)
			send(hit, span, span->own[0], result_code);
	}
	span_release(&node_sqlite_in_flight, USPAN_EVENT_NODE_SQLITE, &hit->key);
}

SEC("uprobe")
int node_sqlite(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	bool begins = site.moment == USPAN_NODE_SQLITE_EXEC || site.moment == USPAN_NODE_SQLITE_PREPARE;
	struct hit hit = {
		.config = bpf_map_lookup_elem(&node_sqlite_configs, &site.probe_id),
		.site = &site,
		.thread = bpf_get_current_pid_tgid(),
	};

	if (!hit.config)
		return 0;
	hit.key.pid = hit.thread >> 32;
	if (!hits_target(&site, &hit.config->probe, hit.key.pid, begins))
		return 0;
	switch (site.moment) {
	case USPAN_NODE_SQLITE_RESET:
		hit.key.owner = ARG0(ctx);
		on_reset(ctx, &hit);
		break;
	case USPAN_NODE_SQLITE_EXEC:
	case USPAN_NODE_SQLITE_PREPARE:
		hit.key.owner = hit.thread | THREAD;
		begin(&hit, ARG1(ctx));
		break;
	default:
		hit.key.owner = hit.thread | THREAD;
		on_return(&hit, RESULT(ctx));
	}
	return 0;
}
