/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What a program sends to PostgreSQL: statements that begin. */
#ifndef USPAN_NODE_POSTGRES_WRITE_H
#define USPAN_NODE_POSTGRES_WRITE_H

#include "common/sql_comment.h"
#include "node/postgres.h"

/* Bounded by age: a program that prepares more loses the text of the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct uspan_node_statement_key);
	__type(value, struct uspan_node_statement);
} node_statements SEC(".maps");

#define NAME_BYTES 64
#define MAX_MESSAGES_WRITTEN 64

/* 64 bits of FNV-1a over words, of a name in 64 bytes that end with zeros. */
static __always_inline __u64 hash_name(const __u64 *words)
{
	__u64 hash = 0xcbf29ce484222325ull;

	for (__u32 i = 0; i < NAME_BYTES / 8; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

/* Reads a name; its bytes with the zero, 1 for an empty one, or 0. Longer ones than PostgreSQL's 63 bytes are no names. */
static __always_inline __u32 read_name(__u64 *words, __u64 address)
{
	long len;

	__builtin_memset(words, 0, NAME_BYTES);
	len = bpf_probe_read_user_str(words, NAME_BYTES, (void *)address);
	return len > 0 && len <= NAME_BYTES ? len : 0;
}

/* The event of a statement that has just begun, without trace and text. */
static __always_inline struct uspan_node_request *begin_statement(const struct uspan_node_key *key, struct uspan_node_connection *c)
{
	struct uspan_node_request *request = push_request(key, c);
	struct uspan_node_sql_event *event;

	if (!request)
		return 0;
	count(USPAN_COUNTER_NODE_REQUESTS);
	request->kind = USPAN_EVENT_NODE_SQL;
	event = (struct uspan_node_sql_event *)request->record;
	__builtin_memset(event, 0, sizeof(*event));
	event->span.start_ktime_ns = bpf_ktime_get_ns();
	event->peer = c->peer;
	request->record_bytes = sizeof(*event);
	return request;
}

/* Puts the database behind the statement's text. */
static __always_inline void close_statement(struct uspan_node_connection *c, struct uspan_node_request *request)
{
	struct uspan_node_sql_event *event = (struct uspan_node_sql_event *)request->record;
	__u32 at = event->text_len, len = c->database_len;

	if (at >= USPAN_NODE_STATEMENT_BYTES)
		at = USPAN_NODE_STATEMENT_BYTES - 1;
	if (len >= USPAN_NODE_DATABASE_BYTES)
		len = 0;
	bpf_probe_read_kernel(request->record + sizeof(*event) + at, len, c->database);
	event->text_len = at;
	event->database_len = len;
	request->record_bytes = sizeof(*event) + at + len;
}

static __always_inline void put_statement(struct uspan_node_request *request, __u64 address)
{
	struct uspan_node_sql_event *event = (struct uspan_node_sql_event *)request->record;
	__u32 max = uspan_config.max_statement_bytes;
	long len;

	if (max >= USPAN_NODE_STATEMENT_BYTES)
		max = USPAN_NODE_STATEMENT_BYTES - 1;
	len = bpf_probe_read_user_str(request->record + sizeof(*event), max + 1, (void *)address);
	if (len <= 0) {
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
		return;
	}
	event->text_len = len - 1;
	if ((__u32)len - 1 == max)
		event->span.span_flags |= USPAN_SPAN_CUT;
}

/* The trace that the statement's own comment names: what sends it has said whose it is. */
static __always_inline bool stated_trace(struct uspan_node_request *request)
{
	struct uspan_node_sql_event *event = (struct uspan_node_sql_event *)request->record;

	if (event->span.span_flags || !comment_traceparent(request->record + sizeof(*event), event->text_len,
							   USPAN_NODE_STATEMENT_BYTES - 1, &event->span))
		return false;
	/* Whether it came from another process it does not say. */
	event->span.trace_flags &= 0xff;
	return true;
}

static __always_inline void sample_statement(struct uspan_node_request *request, bool parented)
{
	request->sampled = begin_call_trace((struct uspan_span_head *)request->record, parented);
}

/* Parse: the statement's name, its text. Query: the text. Not global: Linux 6.1 takes map values from no memory that is passed on. */
static __noinline int begin_with_text(const struct uspan_node_key *key, struct uspan_node_connection *c, __u64 address, __u32 named)
{
	struct uspan_node_statement_key name = {};
	struct uspan_node_request *request;
	__u64 words[NAME_BYTES / 8];
	__u32 name_bytes = 0;

	if (!key || !c)
		return 0;
	request = begin_statement(key, c);
	if (!request)
		return 0;
	if (named) {
		name_bytes = read_name(words, address);
		address += name_bytes;
	}
	if (!named || name_bytes)
		put_statement(request, address);
	sample_statement(request, stated_trace(request));
	/* A prepared statement that is not sampled now may be when it is executed again. */
	if (name_bytes > 1) {
		name.connection = c->born_ktime_ns;
		name.name_hash = hash_name(words);
		bpf_map_update_elem(&node_statements, &name,
				    request->record + __builtin_offsetof(struct uspan_node_sql_event, text_len), BPF_ANY);
	}
	close_statement(c, request);
	return 0;
}

/* Bind: the portal's name, the statement's, whose comment is of whoever prepared it. */
__noinline int begin_with_name(const struct uspan_node_key *key, struct uspan_node_connection *c, __u64 address)
{
	struct uspan_node_statement_key name = {};
	struct uspan_node_statement *statement;
	struct uspan_node_request *request;
	__u64 words[NAME_BYTES / 8];
	__u32 portal_bytes;

	if (!key || !c)
		return 0;
	request = begin_statement(key, c);
	if (!request)
		return 0;
	sample_statement(request, false);
	if (!request->sampled)
		return 0;
	portal_bytes = read_name(words, address);
	if (portal_bytes && read_name(words, address + portal_bytes) > 1) {
		name.connection = c->born_ktime_ns;
		name.name_hash = hash_name(words);
		statement = bpf_map_lookup_elem(&node_statements, &name);
		if (statement)
			bpf_probe_read_kernel(request->record + __builtin_offsetof(struct uspan_node_sql_event, text_len),
					      sizeof(*statement), statement);
	}
	close_statement(c, request);
	return 0;
}

/* Messages on their way to the server. */
struct messages_written {
	struct uspan_node_connection *c;
	const struct uspan_node_key *key;
	__u64 bufs;
	__u64 base;
	__u64 len;
	__u64 at;    /* in the piece; beyond its end: that far into the next one */
	__u32 piece;
	__u32 pieces;
};

static long look_at_written(__u32 index __attribute__((unused)), struct messages_written *messages)
{
	struct uspan_node_connection *c = messages->c;
	struct uv_buf buf;
	__u64 header = 0; /* type, length */

	if (messages->at >= messages->len) {
		if (messages->piece >= messages->pieces ||
		    bpf_probe_read_user(&buf, sizeof(buf), (void *)(messages->bufs + messages->piece * sizeof(buf))))
			return 1;
		messages->at -= messages->len;
		messages->base = buf.base;
		messages->len = buf.len;
		messages->piece++;
		return 0;
	}
	if (messages->len - messages->at < MESSAGE_HEADER ||
	    bpf_probe_read_user(&header, MESSAGE_HEADER, (void *)(messages->base + messages->at))) {
		messages->at = messages->len;
		return 1;
	}
	switch ((__u8)header) {
	case 'Q':
		if (!c->statement_open)
			begin_with_text(messages->key, c, messages->base + messages->at + MESSAGE_HEADER, 0);
		break;
	case 'P':
		if (!c->statement_open)
			begin_with_text(messages->key, c, messages->base + messages->at + MESSAGE_HEADER, 1);
		c->statement_open = 1;
		break;
	case 'B':
		if (!c->statement_open)
			begin_with_name(messages->key, c, messages->base + messages->at + MESSAGE_HEADER);
		c->statement_open = 1;
		break;
	case 'S':
		c->statement_open = 0;
		break;
	}
	messages->at += 1 + bpf_ntohl((__u32)(header >> 8));
	return 0;
}

static __always_inline void write_postgres(const struct uspan_node_key *key, struct uspan_node_connection *c, __u64 bufs, __u32 pieces)
{
	struct messages_written messages = { .c = c, .key = key, .bufs = bufs, .at = c->request_left, .pieces = pieces };

	bpf_loop(MAX_MESSAGES_WRITTEN, look_at_written, &messages, 0);
	c->request_left = messages.at > messages.len ? messages.at - messages.len : 0;
}

#endif
