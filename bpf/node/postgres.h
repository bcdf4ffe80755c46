/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Statements that Node programs send to PostgreSQL, by its wire protocol, version 3: https://www.postgresql.org/docs/current/protocol.html.
 * A statement is what a Query, or a Parse or Bind up to the next Sync, makes the server do; ReadyForQuery ends it.
 */
#ifndef USPAN_NODE_POSTGRES_H
#define USPAN_NODE_POSTGRES_H

#include <bpf/bpf_endian.h>
#include "node/client.h"

/* Bounded by age: a program that prepares more loses the text of the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct uspan_node_statement_key);
	__type(value, struct uspan_node_statement);
} node_statements SEC(".maps");

#define PROTOCOL_3_0 196608
#define PROTOCOL_3_2 196610
#define MESSAGE_HEADER 5 /* type and length, which counts itself */
#define NAME_BYTES 64
#define MAX_STARTUP_PARAMETERS 8
#define MAX_MESSAGES_WRITTEN 64
/* Of one read: rows of a large result are not looked at one by one. */
#define MAX_MESSAGES_READ 32
#define READY_BYTES 6

struct startup {
	struct uspan_node_connection *c;
	__u64 at;
};

/* One name and value of a startup message; both end with a zero. */
static long read_parameter(__u32 index __attribute__((unused)), struct startup *startup)
{
	struct uspan_node_connection *c = startup->c;
	char name[16] = {};
	long len = bpf_probe_read_user_str(name, sizeof(name), (void *)startup->at);

	if (len <= 1)
		return 1;
	startup->at += len;
	len = bpf_probe_read_user_str(c->window, USPAN_NODE_DATABASE_BYTES, (void *)startup->at);
	if (len <= 0)
		return 1;
	startup->at += len;
	if (__builtin_memcmp(name, "database", 9) == 0) {
		__builtin_memcpy(c->database, c->window, USPAN_NODE_DATABASE_BYTES);
		c->database_len = len - 1;
		return 1;
	}
	return 0;
}

/* A connection's first write, when it is the startup message of this protocol. */
static __always_inline bool begins_postgres(const struct uv_buf *first, __u64 word)
{
	__u32 len = bpf_ntohl((__u32)word), code = bpf_ntohl((__u32)(word >> 32));

	return len == first->len && len > 8 && (code == PROTOCOL_3_0 || code == PROTOCOL_3_2);
}

static __always_inline void begin_postgres(struct uspan_node_connection *c, const struct uv_buf *first)
{
	struct startup startup = { .c = c, .at = first->base + 8 };

	c->role = USPAN_NODE_ROLE_POSTGRES;
	c->database_len = 0;
	bpf_loop(MAX_STARTUP_PARAMETERS, read_parameter, &startup, 0);
}

/*
 * Whether a write could be a statement on a connection that was there before us: one message that fills its piece. The answer decides:
 * only a connection that answers with ReadyForQuery is taken.
 */
static __always_inline bool resembles_postgres(const struct uv_buf *first, __u64 word)
{
	__u8 type = word;
	__u32 len = bpf_ntohl((__u32)(word >> 8));

	return (type == 'Q' || type == 'P' || type == 'B') && len >= 4 && first->len == (__u64)len + 1;
}

/* Whether what was read ends with ReadyForQuery: 'Z', its length, and idle, in a transaction, or in a failed one. */
static __always_inline bool ends_ready(__u64 base, __u32 len)
{
	__u8 tail[8] = {};

	if (len < READY_BYTES || bpf_probe_read_user(tail, READY_BYTES, (void *)(base + len - READY_BYTES)))
		return false;
	return tail[0] == 'Z' && tail[1] == 0 && tail[2] == 0 && tail[3] == 0 && tail[4] == 5 &&
	       (tail[5] == 'I' || tail[5] == 'T' || tail[5] == 'E');
}

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

/* The event of a statement that has just begun, without text. */
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
	request->sampled = begin_call_trace(&event->span, false);
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
	/* A prepared statement that is not sampled now may be when it is executed again. */
	if (!request->sampled && name_bytes <= 1)
		return 0;
	if (!named || name_bytes)
		put_statement(request, address);
	if (name_bytes > 1) {
		name.connection = c->born_ktime_ns;
		name.name_hash = hash_name(words);
		bpf_map_update_elem(&node_statements, &name,
				    request->record + __builtin_offsetof(struct uspan_node_sql_event, text_len), BPF_ANY);
	}
	close_statement(c, request);
	return 0;
}

/* Bind: the portal's name, the statement's. */
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
	if (!request || !request->sampled)
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

/* SQLSTATE of an ErrorResponse, of which `len` bytes are in c->window: fields of a type and a text that ends with a zero. */
__noinline int read_sqlstate(struct uspan_node_connection *c, __u32 len)
{
	struct uspan_node_sql_event *event;
	bool field = true;

	if (!c)
		return 0;
	event = (struct uspan_node_sql_event *)c->current.record;
	for (__u32 i = 0; i < 120 && i + 6 < len; i++) {
		__u8 byte = c->window[i];

		if (field && byte == 'C') {
			for (__u32 k = 0; k < 5; k++)
				event->sqlstate[k] = c->window[i + 1 + k];
			return 0;
		}
		field = byte == 0;
	}
	return 0;
}

/* Messages from the server. */
struct messages_read {
	struct uspan_node_connection *c;
	const struct uspan_node_key *key;
	__u64 base;
	__u32 len;
	__u32 at;
	__u32 probe_and_how;
	__u32 done;
};

static long look_at_read(__u32 index __attribute__((unused)), struct messages_read *messages)
{
	struct uspan_node_connection *c = messages->c;
	__u32 have = c->header_len & 7, want, left = messages->len - messages->at;
	__u32 body, bytes;

	if (messages->at >= messages->len) {
		messages->done = 1;
		return 1;
	}
	want = MESSAGE_HEADER - have;
	bytes = want < left ? want : left;
	barrier_var(bytes); /* the compiler knows that masks change nothing; the verifier does not */
	bytes &= 7;
	if (have > 4 || bpf_probe_read_user(c->window + have, bytes, (void *)(messages->base + messages->at)))
		return 1;
	for (__u32 i = 0; i < have && i < 4; i++)
		c->window[i] = c->header[i];
	messages->at += bytes;
	if (bytes < want) {
		for (__u32 i = 0; i < 5; i++)
			c->header[i] = c->window[i];
		c->header_len = have + bytes;
		messages->done = 1;
		return 1;
	}
	c->header_len = 0;
	body = (__u32)c->window[1] << 24 | (__u32)c->window[2] << 16 | (__u32)c->window[3] << 8 | c->window[4];
	body = body < 4 ? 0 : body - 4;
	left = messages->len - messages->at;
	if (c->window[0] == 'E' && c->active && c->current.sampled) {
		bytes = body < left ? body : left;
		if (bytes > 128)
			bytes = 128;
		barrier_var(bytes);
		bytes &= 255;
		if (!((struct uspan_node_sql_event *)c->current.record)->sqlstate[0] &&
		    bpf_probe_read_user(c->window, bytes, (void *)(messages->base + messages->at)) == 0)
			read_sqlstate(c, bytes);
	} else if (c->window[0] == 'Z' && c->active) {
		finish_request(messages->key, c, messages->probe_and_how);
	}
	if (body > left) {
		c->left = body - left;
		messages->done = 1;
		return 1;
	}
	messages->at += body;
	return 0;
}

static __always_inline void read_postgres(const struct uspan_node_key *key, struct uspan_node_connection *c, __u64 base, __u32 len,
					  __u32 probe_and_how)
{
	struct messages_read messages = { .c = c, .key = key, .base = base, .len = len, .probe_and_how = probe_and_how };

	if (!c->unsynced) {
		if (c->left >= len) {
			c->left -= len;
			return;
		}
		messages.at = c->left;
		c->left = 0;
		bpf_loop(MAX_MESSAGES_READ, look_at_read, &messages, 0);
		if (messages.done || messages.at >= len)
			return;
		c->unsynced = 1;
	}
	/* Rows and rows: the end of what they are the result of is the end of some read. */
	if (ends_ready(base, len)) {
		c->unsynced = 0;
		c->left = c->header_len = 0;
		if (c->active)
			finish_request(key, c, probe_and_how);
	}
}

#endif
