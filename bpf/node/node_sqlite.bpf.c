// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * node:sqlite, one span a statement that JavaScript runs, two hits each whatever the number of its rows:
 *
 *   stmt.all(), get(), run(), iterate(), and tagged ones  sqlite3_reset(stmt), which node:sqlite calls before it binds the parameters and
 *                       again when the statement is done. The state that SQLite keeps in the statement tells which it is.
 *   database.exec()     around the call of sqlite3_exec: one span for all statements in its text
 *   database.prepare()  around the call of sqlite3_prepare: a span only if that fails
 *
 * SQLite runs statements of its own (for its schema, and for full-text search) and resets them too. These begin elsewhere than in
 * node:sqlite, as their return address tells. How such a one ends need not be told: what never began is not known.
 *
 * Own BPF because which moment a hit is depends on the statement's state and on who calls.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/spans.h"
#include "span/traceparent.h"

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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_node_sqlite_key);
	__type(value, struct uspan_node_sqlite_in_flight);
} node_sqlite_in_flight SEC(".maps");

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_node_sqlite_config);
} node_sqlite_configs SEC(".maps");

/* A hit, for what it calls. */
struct hit {
	const struct uspan_node_sqlite_config *config;
	struct uspan_node_sqlite_key key;
	__u32 probe_id;
	__u32 moment;
};

/* vdbeInt.h: prepared and bound, but not begun. */
#define VDBE_READY_STATE 1

#define THREAD (1ULL << 63)

/* Whether a function of node:sqlite called the one that is about to begin. */
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

static __always_inline void begin(const struct hit *hit, __u64 sql)
{
	struct uspan_node_sqlite_in_flight entry = { .sql = sql };
	struct uspan_span_head *span = &entry.event.span;

	span->start_ktime_ns = bpf_ktime_get_ns();
	/* The request it is run for is not known: see docs/how-it-works.md. */
	new_trace(span);
	new_span_id(span);
	entry.sampled = sample(&uspan_config, span, false);
	if (bpf_map_update_elem(&node_sqlite_in_flight, &hit->key, &entry, BPF_ANY))
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
}

static __always_inline void send(const struct hit *hit, struct uspan_node_sqlite_in_flight *entry, __u64 sql)
{
	struct uspan_node_sqlite_event *event;
	__u32 max = uspan_config.max_statement_bytes & (USPAN_STATEMENT_MAX_BYTES * 2 - 1);
	struct uspan_large *buffer = take_large();
	long bytes;

	if (!buffer) {
		count(USPAN_COUNTER_LOST_RING_FULL);
		return;
	}
	event = (void *)buffer->bytes;
	*event = entry->event;
	finish_head(&event->span, hit->key.pid, USPAN_EVENT_NODE_SQLITE, hit->probe_id);
	/* With room for one character more, to tell a text that was cut. */
	bytes = bpf_probe_read_user_str(buffer->bytes + sizeof(*event), max + 2, (void *)sql) - 1;
	if (bytes < 0) {
		bytes = 0;
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
	} else if (bytes > max) {
		bytes = max;
		event->span.span_flags |= USPAN_SPAN_CUT;
	}
	event->text_len = bytes;
	submit(event, sizeof(*event) + (bytes & (USPAN_STATEMENT_MAX_BYTES * 2 - 1)));
	give_large(buffer);
}

static __always_inline void on_reset(const struct pt_regs *ctx, const struct hit *hit)
{
	const struct uspan_node_sqlite_config *config = hit->config;
	struct uspan_node_sqlite_in_flight *entry;
	__u64 statement = hit->key.id, sql = 0;
	__u8 state = 0;

	if (bpf_probe_read_user(&state, sizeof(state), (void *)(statement + config->state)))
		return; /* NULL: allowed, and nothing to reset */
	if (state == VDBE_READY_STATE) {
		if (called_by_node(ctx, config))
			begin(hit, 0);
		return;
	}
	entry = bpf_map_lookup_elem(&node_sqlite_in_flight, &hit->key);
	if (!entry)
		return; /* SQLite's own, or begun before the probes were attached */
	if (!entry->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
	} else {
		bpf_probe_read_user(&sql, sizeof(sql), (void *)(statement + config->sql));
		bpf_probe_read_user(&entry->event.result_code, sizeof(__u32), (void *)(statement + config->result_code));
		send(hit, entry, sql);
	}
	bpf_map_delete_elem(&node_sqlite_in_flight, &hit->key);
}

static __always_inline void on_return(const struct hit *hit, __u32 result_code)
{
	struct uspan_node_sqlite_in_flight *entry = bpf_map_lookup_elem(&node_sqlite_in_flight, &hit->key);

	if (!entry) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	entry->event.result_code = result_code;
	entry->event.prepare = hit->moment == USPAN_NODE_SQLITE_PREPARED;
	if (hit->moment == USPAN_NODE_SQLITE_EXECUTED || result_code != 0) {
		if (entry->sampled)
			send(hit, entry, entry->sql);
		else
			count(USPAN_COUNTER_SAMPLED_OUT);
	}
	bpf_map_delete_elem(&node_sqlite_in_flight, &hit->key);
}

SEC("uprobe")
int node_sqlite(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	__u64 thread = bpf_get_current_pid_tgid();
	struct hit hit = {
		.config = bpf_map_lookup_elem(&node_sqlite_configs, &site.probe_id),
		.key.pid = thread >> 32,
		.probe_id = site.probe_id,
		.moment = site.moment,
	};

	if (!hit.config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(hit.config->probe.filter_by_process, hit.key.pid))
		return 0;
	switch (site.moment) {
	case USPAN_NODE_SQLITE_RESET:
		hit.key.id = ARG0(ctx);
		on_reset(ctx, &hit);
		break;
	case USPAN_NODE_SQLITE_EXEC:
	case USPAN_NODE_SQLITE_PREPARE:
		hit.key.id = thread | THREAD;
		begin(&hit, ARG1(ctx));
		break;
	default:
		hit.key.id = thread | THREAD;
		on_return(&hit, RESULT(ctx));
	}
	return 0;
}
