// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * PostgreSQL: one span a statement, of either protocol, from what its own USDT probes and error functions tell.
 *
 *   simple protocol       status(text)  executed…                 status(NULL)
 *   extended protocol     status(text) ×3 (Parse, Bind, Execute)  executed  status(NULL) at Sync
 *   prepared before       status(text) ×2 (Bind, Execute)         executed  status(NULL) at Sync
 *   pipelined             …executed  status(text): the next one   …
 *   failed                status(text)… error  code  failed       status(NULL), with nothing to end any more
 *
 * statement__status (the head of pgstat_report_activity) is the only probe that fires in both protocols and whatever
 * becomes of the statement; query__start and query__done miss the extended protocol and errors. query__execute__done tells what was
 * executed from what was only prepared, and where a pipelined statement ends.
 * An error that PL/pgSQL catches never gets to PortalErrorCleanup, which only the main loop calls, after sigsetjmp() returned there.
 *
 * Own BPF rather than the generic pair because the end of one statement can be the start of the next, and who the client is, is read once
 * a session.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/regs.h"
#include "span/spans.h"
#include "common/sql_comment.h"
#include "usdt/arguments.h"

char LICENSE[] SEC("license") = "GPL";

/* By the backend's pid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, USPAN_POSTGRESQL_BACKENDS);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_backend);
} postgresql_backends SEC(".maps");

/* All zero: what a new session starts from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_backend);
} postgresql_blank SEC(".maps");

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_config);
} postgresql_configs SEC(".maps");

/* elog.h */
#define PG_ERROR 21
/* MAKE_SQLSTATE('X','X','0','0','0'): what an error without an errcode() gets */
#define PG_INTERNAL_ERROR (('X' - '0') | ('X' - '0') << 6)
#define AF_INET 2
#define AF_INET6 10

/* Where the statement begins in the session's texts: behind the names, at a multiple of 4. */
static __always_inline __u32 statement_at(const struct uspan_postgresql_backend *backend)
{
	return (backend->names_len + 3) & (USPAN_POSTGRESQL_NAMES_BYTES - 4);
}

/* Puts a name behind those there are; returns its length. */
static __always_inline __u16 add_name(struct uspan_postgresql_backend *backend, __u64 at)
{
	__u8 *to = backend->text + (backend->names_len & (USPAN_POSTGRESQL_NAMES_BYTES - 1));
	long bytes = at ? bpf_probe_read_user_str(to, USPAN_POSTGRESQL_NAME_BYTES, (void *)at) : 0;

	if (bytes <= 1)
		return 0;
	backend->names_len += bytes - 1;
	return bytes - 1;
}

/* SET application_name gives the variable another string. */
static __always_inline void read_application_name(const struct usdt_hit *hit, struct uspan_postgresql_backend *backend)
{
	__u16 *text_len = backend->event.text_len;
	__u64 at;

	if (!usdt_argument(hit, USPAN_POSTGRESQL_APPLICATION_NAME, &at) || at == backend->application_name)
		return;
	backend->application_name = at;
	backend->names_len = text_len[USPAN_POSTGRESQL_DATABASE] + text_len[USPAN_POSTGRESQL_USER];
	text_len[USPAN_POSTGRESQL_APPLICATION] = add_name(backend, at);
}

/* What Port, the session's description, tells of the client. */
static __always_inline void read_port(struct uspan_postgresql_backend *backend, __u64 port,
				      const struct uspan_postgresql_config *config)
{
	struct uspan_postgresql_event *event = &backend->event;
	__u64 names[2] = {};
	struct {
		__u16 family;
		__u8 port[2];
		__u8 address4[4]; /* IPv6: the flow */
		__u8 address6[16];
	} peer = {};

	if (config->port_database_name != USPAN_FIELD_ABSENT)
		bpf_probe_read_user(names, sizeof(names), (void *)(port + config->port_database_name));
	event->text_len[USPAN_POSTGRESQL_DATABASE] = add_name(backend, names[0]);
	event->text_len[USPAN_POSTGRESQL_USER] = add_name(backend, names[1]);
	if (config->port_raddr == USPAN_FIELD_ABSENT ||
	    bpf_probe_read_user(&peer, sizeof(peer), (void *)(port + config->port_raddr)))
		return;
	if (peer.family == AF_INET)
		__builtin_memcpy(event->peer_address, peer.address4, sizeof(peer.address4));
	else if (peer.family == AF_INET6)
		__builtin_memcpy(event->peer_address, peer.address6, sizeof(peer.address6));
	else
		return;
	event->peer_family = peer.family;
	__builtin_memcpy(event->peer_port, peer.port, sizeof(peer.port));
}

/* The first statement of a session; 0 when it is none, or not wanted. */
static __always_inline struct uspan_postgresql_backend *
new_backend(const struct usdt_hit *hit, const struct uspan_postgresql_config *config, __u32 pid, struct task_struct *task)
{
	__u32 postmaster = task->real_parent->tgid, service_pid = pid;
	struct uspan_postgresql_backend *backend;
	__u64 port = 0;
	__u32 first = 0;

	/* Parallel and autovacuum workers report statements too, and never an end. */
	if (usdt_argument(hit, USPAN_POSTGRESQL_MY_PROC_PORT, &port) && !port)
		return 0;
	if (wanted(config->probe.filter_by_process, postmaster)) {
		service_pid = postmaster;
	} else if (!wanted(config->probe.filter_by_process, pid)) {
		count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	backend = bpf_map_lookup_elem(&postgresql_blank, &first);
	if (!backend || bpf_map_update_elem(&postgresql_backends, &pid, backend, BPF_ANY)) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	backend = bpf_map_lookup_elem(&postgresql_backends, &pid);
	if (!backend)
		return 0;
	backend->process_started = task->start_time;
	backend->service_pid = service_pid;
	if (port)
		read_port(backend, port, config);
	return backend;
}

/* The session's entry, unless it is of a process that had the pid before. */
static __always_inline struct uspan_postgresql_backend *find_backend(__u32 pid, struct task_struct *task)
{
	struct uspan_postgresql_backend *backend = bpf_map_lookup_elem(&postgresql_backends, &pid);

	if (!backend || backend->process_started == task->start_time)
		return backend;
	if (backend->reports)
		count(USPAN_COUNTER_LOST_NEVER_ENDED);
	bpf_map_delete_elem(&postgresql_backends, &pid);
	return 0;
}

/* Copies the statement now: at its end its memory may have been freed. */
static __always_inline void read_statement(struct uspan_postgresql_backend *backend, __u64 text)
{
	__u32 max = uspan_config.max_statement_bytes, len = 0;
	struct uspan_postgresql_event *event = &backend->event;
	__u8 *to = backend->text + statement_at(backend);
	long bytes;

	if (max > USPAN_STATEMENT_MAX_BYTES)
		max = USPAN_STATEMENT_MAX_BYTES;
	/* One for the NUL, one to see that there is more. */
	bytes = bpf_probe_read_user_str(to, max + 2, (void *)text);
	event->span.span_flags = 0;
	if (bytes < 0)
		event->span.span_flags = USPAN_SPAN_UNREADABLE;
	else if (bytes > 0)
		len = bytes - 1;
	if (len > max) {
		len = max;
		event->span.span_flags = USPAN_SPAN_CUT;
	}
	event->text_len[USPAN_POSTGRESQL_STATEMENT] = len;
}

/*
 * A parent that the statement's own comment names. Two reports are Bind and Execute of a statement prepared before, whose comment is of
 * whoever prepared it.
 */
static __always_inline bool take_parent(struct uspan_postgresql_backend *backend, __u32 reports)
{
	struct uspan_postgresql_event *event = &backend->event;

	return reports != 2 && !event->span.span_flags &&
	       comment_traceparent(backend->text + statement_at(backend), event->text_len[USPAN_POSTGRESQL_STATEMENT],
				   USPAN_STATEMENT_MAX_BYTES, &event->span);
}

/*
 * Ends the statement at `end_ktime_ns` and sends it, if it was more than prepared.
 * Global, so that the verifier looks at it once and not per call.
 */
__noinline int end_statement(struct uspan_postgresql_backend *backend, __u32 pid, __u32 probe_id, __u64 end_ktime_ns,
			     __u32 failed)
{
	struct uspan_postgresql_event *event;
	struct uspan_span_head *span;
	__u32 reports, bytes;
	bool executed, parented;

	if (!backend)
		return 0;
	event = &backend->event;
	span = &event->span;
	reports = backend->reports;
	executed = backend->executed_ktime_ns;
	backend->reports = 0;
	backend->executed_ktime_ns = 0;
	if (!executed && !failed) {
		count(USPAN_COUNTER_NOT_EXECUTED);
		return 0;
	}
	parented = take_parent(backend, reports);
	if (!parented)
		new_trace(span);
	random_bytes(span->span_id, 8);
	span->span_id[7] |= 1;
	if (!sample(&uspan_config, span, parented)) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return 0;
	}
	event->failed = failed;
	event->sqlstate = failed ? backend->sqlstate : 0;
	span->head.ktime_ns = end_ktime_ns;
	span->head.pid = backend->service_pid;
	span->head.tid = pid;
	span->head.kind = USPAN_EVENT_POSTGRESQL;
	span->head.probe_id = probe_id;
	bytes = statement_at(backend) + event->text_len[USPAN_POSTGRESQL_STATEMENT];
	/* Never: for the verifier. */
	if (bytes > USPAN_POSTGRESQL_NAMES_BYTES + USPAN_STATEMENT_MAX_BYTES)
		return 0;
	submit(event, sizeof(*event) + bytes);
	return 0;
}

/* A statement is reported, or its end. */
static __always_inline void on_status(struct pt_regs *ctx, const struct uspan_postgresql_config *config, __u32 pid,
				      const struct site *site)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct uspan_postgresql_backend *backend = find_backend(pid, task);
	struct usdt_hit hit;
	__u64 text;

	usdt_hit(&hit, ctx, site);
	if (!usdt_argument(&hit, USPAN_POSTGRESQL_TEXT, &text)) {
		count(USPAN_COUNTER_ARGUMENT_UNREADABLE);
		return;
	}
	if (!text) {
		if (backend && backend->reports)
			end_statement(backend, pid, site->probe_id, bpf_ktime_get_ns(), false);
		return;
	}
	if (!backend)
		backend = new_backend(&hit, config, pid, task);
	if (!backend)
		return;
	if (backend->executed_ktime_ns)
		end_statement(backend, pid, site->probe_id, backend->executed_ktime_ns, false);
	if (backend->reports++ == 0) {
		backend->event.span.start_ktime_ns = bpf_ktime_get_ns();
		backend->sqlstate = 0;
		read_application_name(&hit, backend);
	}
	read_statement(backend, text);
}

/* The code of an error on its way again. */
static __always_inline __u32 rethrown_code(__u64 error, const struct uspan_postgresql_config *config)
{
	__u32 code = 0;

	if (config->error_code != USPAN_FIELD_ABSENT)
		bpf_probe_read_user(&code, sizeof(code), (void *)(error + config->error_code));
	return code;
}

/* int pgstat_report_activity(state, text) and so on: see enum uspan_postgresql_moment */
SEC("uprobe")
int postgresql(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_postgresql_config *config = bpf_map_lookup_elem(&postgresql_configs, &site.probe_id);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct uspan_postgresql_backend *backend;

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (site.moment == USPAN_POSTGRESQL_STATUS) {
		on_status(ctx, config, pid, &site);
		return 0;
	}
	backend = find_backend(pid, bpf_get_current_task_btf());
	if (!backend)
		return 0;
	switch (site.moment) {
	case USPAN_POSTGRESQL_EXECUTED:
		if (backend->reports)
			backend->executed_ktime_ns = bpf_ktime_get_ns();
		break;
	case USPAN_POSTGRESQL_ERROR:
		if ((__s32)C_ARG0(ctx) >= PG_ERROR)
			backend->sqlstate = PG_INTERNAL_ERROR;
		break;
	case USPAN_POSTGRESQL_CODE:
		backend->sqlstate = C_ARG0(ctx);
		break;
	case USPAN_POSTGRESQL_ERRNO:
		backend->sqlstate = 0;
		break;
	case USPAN_POSTGRESQL_RETHROWN:
		backend->sqlstate = rethrown_code(C_ARG0(ctx), config);
		break;
	case USPAN_POSTGRESQL_FAILED:
		if (backend->reports)
			end_statement(backend, pid, site.probe_id, bpf_ktime_get_ns(), true);
		break;
	case USPAN_POSTGRESQL_EXIT:
		if (backend->reports)
			end_statement(backend, pid, site.probe_id, bpf_ktime_get_ns(), (__s32)C_ARG0(ctx) != 0);
		bpf_map_delete_elem(&postgresql_backends, &pid);
		break;
	}
	return 0;
}
