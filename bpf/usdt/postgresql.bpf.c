// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * PostgreSQL: one span per statement, in either protocol, from its own USDT probes and error functions.
 *
 *   simple protocol       status(text)  executed…                 status(NULL)
 *   extended protocol     status(text) ×3 (Parse, Bind, Execute)  executed  status(NULL) at Sync
 *   prepared before       status(text) ×2 (Bind, Execute)         executed  status(NULL) at Sync
 *   pipelined             …executed  status(text): the next one   …
 *   failed                status(text)… error  code  failed       status(NULL), with nothing to end any more
 *
 * statement__status (the head of pgstat_report_activity) is the only probe that fires in both protocols, whatever becomes of the statement.
 * query__start and query__done miss the extended protocol and errors. query__execute__done tells what was executed from what was only
 * prepared, and where a pipelined statement ends. An error that PL/pgSQL catches never gets to PortalErrorCleanup, which only the main loop
 * calls, after sigsetjmp() returned there.
 *
 * A statement's memory is valid until its session waits for the next message, which is before its end is reported. So its text is read when
 * it is first reported, and again when it was executed, or has failed, if that is another text: Parse, Bind and Execute have a copy each.
 *
 * The generic pair does not fit, because the end of one statement can be the start of the next, and because the client is read once per
 * session.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/regs.h"
#include "common/sql_comment.h"
#include "span/life.h"
#include "usdt/arguments.h"

char LICENSE[] SEC("license") = "GPL";

/* Sessions, by the backend's pid alone. */
OPEN_SPANS(postgresql_sessions);

/* Long statements, by the backend's pid. An entry stays for the session's next long statement. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_text);
} postgresql_texts SEC(".maps");

/* All zero: the start of a new entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_text);
} postgresql_blank_text SEC(".maps");

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_postgresql_config);
} postgresql_configs SEC(".maps");

/* elog.h */
#define PG_ERROR 21
/* MAKE_SQLSTATE('X','X','0','0','0'): the code of an error without an errcode() */
#define PG_INTERNAL_ERROR (('X' - '0') | ('X' - '0') << 6)
#define AF_INET 2
#define AF_INET6 10

/* Statements of a session that wait for their first execution. A power of two. */
#define PREPARED (sizeof(((struct uspan_postgresql_session *)0)->prepared) / sizeof(__u64))

static __always_inline struct uspan_postgresql_session *session_of(struct uspan_open_span *span)
{
	return (struct uspan_postgresql_session *)span->own;
}

/* Puts the client behind the fields there are, as Port, the session's description, has it. */
static __always_inline void put_client(struct uspan_open_span *span, __u64 port, const struct uspan_postgresql_config *config)
{
	struct uspan_node_peer peer = {};
	__u64 names[2] = {};
	struct {
		__u16 family;
		__u8 port[2];
		__u8 address4[4]; /* IPv6: the flow */
		__u8 address6[16];
	} address = {};

	if (config->port_database_name != USPAN_FIELD_ABSENT)
		bpf_probe_read_user(names, sizeof(names), (void *)(port + config->port_database_name));
	if (names[0])
		span_put_string(span, USPAN_POSTGRESQL_DATABASE, names[0], USPAN_POSTGRESQL_NAME_BYTES);
	if (names[1])
		span_put_string(span, USPAN_POSTGRESQL_USER, names[1], USPAN_POSTGRESQL_NAME_BYTES);
	if (config->port_raddr == USPAN_FIELD_ABSENT ||
	    bpf_probe_read_user(&address, sizeof(address), (void *)(port + config->port_raddr)))
		return;
	if (address.family == AF_INET)
		__builtin_memcpy(peer.address, address.address4, sizeof(address.address4));
	else if (address.family == AF_INET6)
		__builtin_memcpy(peer.address, address.address6, sizeof(address.address6));
	else
		return;
	peer.family = address.family;
	peer.port = address.port[0] << 8 | address.port[1];
	span_put_kernel(span, USPAN_POSTGRESQL_PEER, &peer, sizeof(peer), sizeof(peer));
}

/*
 * SET application_name gives the variable another string, and then USPAN_POSTGRESQL_RENAMED comes. A compiler may have inlined that
 * function into its callers, so the program also looks at the variable once in a while. It does not look at each statement, because nothing
 * else touches the variable, and its page is cold.
 */
#define LOOK_AGAIN_AFTER_NS 100000000

static __always_inline void put_application(const struct usdt_hit *hit, struct uspan_open_span *span, __u64 now)
{
	struct uspan_postgresql_session *session = session_of(span);
	__u64 at;

	if (session->application_ktime_ns && now - session->application_ktime_ns < LOOK_AGAIN_AFTER_NS)
		return;
	session->application_ktime_ns = now;
	if (!usdt_argument(hit, USPAN_POSTGRESQL_APPLICATION_NAME, &at) || at == session->application_name)
		return;
	session->application_name = at;
	span->used = session->client_bytes;
	if (at)
		span_put_string(span, USPAN_POSTGRESQL_APPLICATION, at, USPAN_POSTGRESQL_NAME_BYTES);
	session->kept_bytes = span->used;
}

/* The first statement of a session. 0: it is not one, or is not wanted. */
static __always_inline struct uspan_open_span *new_session(const struct usdt_hit *hit, const struct uspan_postgresql_config *config,
							   const struct uspan_open_span_key *key, struct task_struct *task)
{
	__u32 postmaster = task->real_parent->tgid, service_pid = key->pid;
	struct uspan_postgresql_session *session;
	struct uspan_open_span *span;
	__u64 port = 0;

	/* Parallel and autovacuum workers also report statements, but never an end. */
	if (usdt_argument(hit, USPAN_POSTGRESQL_MY_PROC_PORT, &port) && !port)
		return 0;
	if (wanted(config->probe.filter_by_process, postmaster)) {
		service_pid = postmaster;
	} else if (!wanted(config->probe.filter_by_process, key->pid)) {
		count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	span = span_new(&postgresql_sessions, USPAN_EVENT_POSTGRESQL, key);
	if (!span)
		return 0;
	session = session_of(span);
	session->process_started = task->start_time;
	session->service_pid = service_pid;
	/* It goes first, so that its offset is known at the end. */
	span_put_number(span, USPAN_POSTGRESQL_SQLSTATE, 0);
	if (port)
		put_client(span, port, config);
	session->client_bytes = session->kept_bytes = span->used;
	return span;
}

static __always_inline void set_state(struct uspan_open_span *span, __u32 state)
{
	__builtin_memcpy(span->fields + FIELD_HEAD, &state, sizeof(state));
}

static __always_inline void delete_session(const struct uspan_open_span_key *key)
{
	__u32 pid = key->pid;

	bpf_map_delete_elem(&postgresql_texts, &pid);
	span_delete(&postgresql_sessions, USPAN_EVENT_POSTGRESQL, key);
}

/* The session's entry, unless it is of a process that had the pid before. */
static __always_inline struct uspan_open_span *find_session(const struct uspan_open_span_key *key, struct task_struct *task)
{
	struct uspan_open_span *span = span_find(&postgresql_sessions, key);

	if (!span || session_of(span)->process_started == task->start_time)
		return span;
	if (span->open)
		count(USPAN_COUNTER_LOST_NEVER_ENDED);
	delete_session(key);
	return 0;
}

static __always_inline struct uspan_postgresql_text *new_text(__u32 pid)
{
	__u32 first = 0;
	void *blank = bpf_map_lookup_elem(&postgresql_blank_text, &first);

	if (!blank || bpf_map_update_elem(&postgresql_texts, &pid, blank, BPF_ANY))
		return 0;
	return bpf_map_lookup_elem(&postgresql_texts, &pid);
}

/* Copies a statement that had no room in the fields, so that it can be put at the end, when its memory may have been freed. */
static __always_inline void keep_text(struct uspan_open_span *span, __u32 pid)
{
	struct uspan_late_text *late = &span->late_text[0];
	struct uspan_postgresql_text *text = bpf_map_lookup_elem(&postgresql_texts, &pid);
	__u32 max = late->len;
	long bytes = -1;

	if (!text)
		text = new_text(pid);
	/* It is never more. This is for the verifier. */
	if (text && max <= USPAN_STATEMENT_MAX_BYTES)
		bytes = read_user_string(text->bytes, max + 2, late->ptr) - 1;
	if (bytes < 0) {
		span->late = 0;
		span_put_unreadable(span, USPAN_POSTGRESQL_STATEMENT);
		return;
	}
	if (bytes > max) {
		bytes = max;
		late->marks |= USPAN_FIELD_CUT;
	}
	late->from = USPAN_LATE_KERNEL;
	late->ptr = 0; /* an entry's address is looked up when it is used */
	late->len = bytes;
}

/* Reads the statement while it is there, in place of another. */
static __always_inline void read_statement(struct uspan_open_span *span, __u32 pid, const struct uspan_postgresql_config *config)
{
	struct uspan_postgresql_session *session = session_of(span);

	session->read_text = session->text;
	span->used = session->kept_bytes;
	span->late = 0;
	span_put_string(span, USPAN_POSTGRESQL_STATEMENT, session->text, config->probe.max_statement_bytes);
	if (span->late)
		keep_text(span, pid);
}

struct statement_text {
	__u8 bytes[USPAN_STATEMENT_MAX_BYTES + COMMENT_MARGIN_BYTES];
};

/* Takes over the parent that a statement names. Global, so that the verifier of Linux 6.1 begins with an unknown length. */
__noinline int parent_in(const struct statement_text *text, __u32 len, struct uspan_span_head *head)
{
	if (!text || !head)
		return 0;
	return comment_traceparent(text->bytes, len, USPAN_STATEMENT_MAX_BYTES, head);
}

/* A parent that a statement of `len` bytes in the fields names. The statement is copied to an offset that the verifier knows. */
static __always_inline bool parent_in_fields(struct uspan_open_span *span, __u64 at, __u32 len)
{
	struct uspan_large *buffer;
	bool found = false;

	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES)
		return false;
	buffer = take_large();
	if (!buffer)
		return false;
	/* Fields have less than 1,024 bytes. The mask is for the verifier. */
	if (bpf_probe_read_kernel(buffer->bytes, len & 1023, span->fields + at) == 0)
		found = parent_in((const struct statement_text *)buffer->bytes, len, &span->head);
	give_large(buffer);
	return found;
}

/* Whether a statement of `len` bytes in the fields may begin or end with a comment that has room for a parent. */
static __always_inline bool has_comment(const struct uspan_open_span *span, __u64 at, __u32 len)
{
	__u64 last = at + len - sizeof(__u64);

	if (len < TRACEPARENT_BYTES)
		return false;
	barrier_var(at);
	barrier_var(last);
	if (at > USPAN_FIELDS_BYTES - sizeof(__u64) || last > USPAN_FIELDS_BYTES - sizeof(__u64))
		return false;
	return may_name_parent(*(__u64 *)(span->fields + at), *(__u64 *)(span->fields + last));
}

/*
 * Takes over the trace that the statement's own comment names. Returns what tells it from the traces of other statements, or 0 if it names
 * none.
 */
static __noinline __u64 trace_key(struct uspan_open_span *span, __u32 pid)
{
	const struct uspan_span_head *span_head = &span->head;
	const struct uspan_late_text *late = &span->late_text[0];
	const struct uspan_postgresql_text *text;
	struct uspan_field_head head;
	__u64 at = session_of(span)->kept_bytes, len;
	const __u64 *ids = (const __u64 *)span_head->trace_id;

	if (span->late) {
		text = bpf_map_lookup_elem(&postgresql_texts, &pid);
		len = late->len;
		if (!text || late->marks || !parent_in((const struct statement_text *)text->bytes, len, &span->head))
			return 0;
	} else {
		barrier_var(at);
		/* An empty statement has no field. What is there belongs to the one before. */
		if (at > USPAN_FIELDS_BYTES - FIELD_HEAD || at >= span->used)
			return 0;
		head = *(struct uspan_field_head *)(span->fields + at);
		at += FIELD_HEAD;
		len = head.len;
		if (head.marks || !has_comment(span, at, len) || !parent_in_fields(span, at, len))
			return 0;
	}
	return ((ids[0] ^ len) * 31 + ids[1]) * 31 + *(const __u64 *)span_head->parent_span_id;
}

/* A statement that names a trace was prepared, and waits for its execution. */
static __always_inline void keep_trace(struct uspan_postgresql_session *session, __u64 key)
{
	if (key)
		session->prepared[session->next_prepared++ % PREPARED] = key;
}

/* Reads what is executed, if that may be another text than what was reported first. */
static __always_inline void read_executed(struct uspan_open_span *span, __u32 pid, const struct uspan_postgresql_config *config)
{
	struct uspan_postgresql_session *session = session_of(span);

	if (session->text == session->read_text)
		return;
	session->first_trace = trace_key(span, pid);
	read_statement(span, pid, config);
}

/*
 * A parent that the statement's own comment names, because the comment belongs to the request that prepares the statement, and that one
 * executes it first. One report: it is not prepared. Two: Bind and Execute. Three: Parse, perhaps of another statement, Bind and Execute.
 */
static __always_inline bool take_parent(struct uspan_open_span *span, __u32 reports, __u32 pid)
{
	struct uspan_postgresql_session *session = session_of(span);
	__u64 waiting = 0, key;

	if (reports > 2)
		keep_trace(session, session->first_trace);
	for (__u32 i = 0; i < PREPARED; i++)
		waiting |= session->prepared[i];
	if (reports > 1 && !waiting)
		return false;
	key = trace_key(span, pid);
	if (!key || reports == 1)
		return key;
	for (__u32 i = 0; i < PREPARED; i++) {
		if (session->prepared[i] == key) {
			session->prepared[i] = 0;
			return true;
		}
	}
	return false;
}

/* What ends at a hit. */
struct ending {
	__u64 ktime_ns; /* 0: nothing */
	bool failed;
	__u8 reserved[7];
};

/* Ends the statement and sends it, if it was more than prepared. */
static __always_inline void end_statement(struct uspan_open_span *span, const struct ending *ending,
					  const struct uspan_postgresql_config *config, const struct site *site, __u32 pid)
{
	struct uspan_postgresql_session *session = session_of(span);
	struct uspan_postgresql_text *text = 0;
	__u32 reports = span->open;
	bool executed = session->executed_ktime_ns, parented;

	span->open = 0;
	session->executed_ktime_ns = 0;
	if (!executed && !ending->failed) {
		count(USPAN_COUNTER_NOT_EXECUTED);
		keep_trace(session, trace_key(span, pid));
		return;
	}
	read_executed(span, pid, config);
	parented = take_parent(span, reports, pid);
	if (span->late) {
		text = bpf_map_lookup_elem(&postgresql_texts, &pid);
		if (!text)
			return; /* Never: a session's own goes with it. */
		span->late_text[0].ptr = (__u64)text->bytes;
	}
	span_begin(span, &config->probe, pid, parented ? SPAN_REMOTE : SPAN_ROOT);
	span->open = 0;
	if (!span->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	set_state(span, !ending->failed ? 0 : session->sqlstate ? session->sqlstate : USPAN_POSTGRESQL_UNKNOWN_STATE);
	span_finish_head(span, site, (__u64)session->service_pid << 32 | pid, USPAN_EVENT_POSTGRESQL, ending->ktime_ns);
	span_send(span);
}

/* A statement is reported, for the first time or again. */
static __always_inline void on_report(const struct usdt_hit *hit, struct uspan_open_span *span,
				      const struct uspan_postgresql_config *config, __u64 text, __u32 pid)
{
	struct uspan_postgresql_session *session = session_of(span);

	if (span->open++ == 0) {
		span_start(span, session->client_bytes);
		put_application(hit, span, span->head.start_ktime_ns);
		session->sqlstate = 0;
		session->first_trace = 0;
		session->text = text;
		read_statement(span, pid, config);
	}
	session->text = text;
}

/* Hits while a statement is running. */
static __always_inline void on_event(const struct pt_regs *ctx, struct uspan_open_span *span,
				     const struct uspan_postgresql_config *config, __u32 moment, __u32 pid)
{
	struct uspan_postgresql_session *session = session_of(span);
	__u32 code = 0;

	switch (moment) {
	case USPAN_POSTGRESQL_EXECUTED:
		if (!span->open)
			break;
		session->executed_ktime_ns = bpf_ktime_get_ns();
		read_executed(span, pid, config);
		break;
	case USPAN_POSTGRESQL_ERROR:
		if ((__s32)C_ARG0(ctx) >= PG_ERROR)
			session->sqlstate = PG_INTERNAL_ERROR;
		break;
	case USPAN_POSTGRESQL_CODE:
		session->sqlstate = C_ARG0(ctx);
		break;
	case USPAN_POSTGRESQL_ERRNO:
		session->sqlstate = 0;
		break;
	case USPAN_POSTGRESQL_RENAMED:
		session->application_ktime_ns = 0;
		break;
	case USPAN_POSTGRESQL_RETHROWN:
		if (config->error_code != USPAN_FIELD_ABSENT)
			bpf_probe_read_user(&code, sizeof(code), (void *)(C_ARG0(ctx) + config->error_code));
		session->sqlstate = code;
		break;
	}
}

/* Which statement ends at a hit, and how. `text` is what is reported. */
static __always_inline struct ending ending_at(const struct pt_regs *ctx, struct uspan_open_span *span, __u32 moment, __u64 text)
{
	struct ending ending = {};

	if (!span->open)
		return ending;
	switch (moment) {
	case USPAN_POSTGRESQL_STATUS:
		/* Pipelined ones end where they were executed. */
		ending.ktime_ns = text ? session_of(span)->executed_ktime_ns : bpf_ktime_get_ns();
		break;
	case USPAN_POSTGRESQL_FAILED:
		ending.ktime_ns = bpf_ktime_get_ns();
		ending.failed = true;
		break;
	case USPAN_POSTGRESQL_EXIT:
		ending.ktime_ns = bpf_ktime_get_ns();
		ending.failed = (__s32)C_ARG0(ctx) != 0;
		break;
	}
	return ending;
}

/* int pgstat_report_activity(state, text) and the others of enum uspan_postgresql_moment */
SEC("uprobe")
int postgresql(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	const struct uspan_postgresql_config *config = bpf_map_lookup_elem(&postgresql_configs, &site.probe_id);
	struct uspan_open_span_key key = { .pid = bpf_get_current_pid_tgid() >> 32 };
	struct uspan_open_span *span;
	struct ending ending;
	struct usdt_hit hit;
	__u64 text = 0;

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	/* The same process reported before what it executes. */
	if (site.moment == USPAN_POSTGRESQL_EXECUTED)
		span = span_find(&postgresql_sessions, &key);
	else
		span = find_session(&key, bpf_get_current_task_btf());
	if (site.moment == USPAN_POSTGRESQL_STATUS) {
		usdt_hit(&hit, ctx, &site);
		if (!usdt_argument(&hit, USPAN_POSTGRESQL_TEXT, &text)) {
			count(USPAN_COUNTER_ARGUMENT_UNREADABLE);
			return 0;
		}
	}
	if (span) {
		on_event(ctx, span, config, site.moment, key.pid);
		ending = ending_at(ctx, span, site.moment, text);
		if (ending.ktime_ns)
			end_statement(span, &ending, config, &site, key.pid);
		if (site.moment == USPAN_POSTGRESQL_EXIT)
			delete_session(&key);
	}
	if (text) {
		if (!span)
			span = new_session(&hit, config, &key, bpf_get_current_task_btf());
		if (span)
			on_report(&hit, span, config, text, key.pid);
	}
	return 0;
}
