/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What a program sends to PostgreSQL: which statements begin. */
#ifndef USPAN_NODE_PG_WRITE_H
#define USPAN_NODE_PG_WRITE_H

#include "common/sql_comment.h"
#include "common/user_memory.h"
#include "node/context.h"
#include "node/pg_statement.h"
#include "node/sniff.h"

/* Age bounds it: a program that prepares more loses the text of the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct uspan_node_statement_key);
	__type(value, struct uspan_node_statement);
} node_statements SEC(".maps");

#define NAME_BYTES 64

/* 64 bits of FNV-1a over words, of a name in 64 bytes that end with zeros. */
static __always_inline __u64 hash_name(const __u64 *words)
{
	__u64 hash = 0xcbf29ce484222325ull;

	for (__u32 i = 0; i < NAME_BYTES / 8; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

/*
 * Reads a name. Returns its bytes with the zero, 1 for an empty one, or 0 if it does not end within the `available` bytes. Texts longer than
 * PostgreSQL's 63 bytes are not names.
 */
static __always_inline __u32 read_name(__u64 *words, __u64 address, __u32 available)
{
	long len;

	__builtin_memset(words, 0, NAME_BYTES);
	len = read_user_string(words, NAME_BYTES, address);
	return len > 0 && len <= NAME_BYTES && len <= (long)available ? len : 0;
}

#define TEXT_IN_PLACE 480 /* this much of a statement fits into an entry, behind the connection's own fields */

_Static_assert(KEPT_BYTES + FIELD_HEAD + TEXT_IN_PLACE + END_BYTES <= USPAN_FIELDS_BYTES, "an entry has room for a statement");

static __always_inline __u64 eight_bytes(const struct uspan_open_span *span, __u64 at)
{
	barrier_var(at);
	return at > USPAN_FIELDS_BYTES - 8 ? 0 : *(const __u64 *)(span->fields + at);
}

/*
 * Reads a statement to its place in the record. False: it is long, cannot be read, or has a comment that may name its parent. `available` is
 * as in read_statement().
 */
static __always_inline bool put_in_place(struct uspan_open_span *span, __u64 address, __u32 max, __u32 available)
{
	struct uspan_field_head head = { .field = USPAN_NODE_PG_STATEMENT };
	__u32 size = max + 2 < TEXT_IN_PLACE ? max + 2 : TEXT_IN_PLACE; /* as in read_statement() */
	__u64 at = span->used, text;
	long len;

	if (available < size)
		size = available + 1;
	barrier_var(at);
	barrier_var(size);
	if (at > KEPT_BYTES || size > TEXT_IN_PLACE)
		return false;
	text = at + FIELD_HEAD;
	len = read_user_string(span->fields + text, size, address) - 1;
	if (len < 0 || (len + 1 == size && size < max + 2))
		return false;
	if (len > (long)max) {
		head.marks = USPAN_FIELD_CUT;
		len = max;
	} else if (len >= TRACEPARENT_BYTES &&
		   may_name_parent(eight_bytes(span, text), eight_bytes(span, text + len - sizeof(__u64)))) {
		return false;
	}
	if (len == 0)
		return true;
	head.len = len;
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = text + ((len + 3) & ~3u);
	return true;
}

/* Puts the text in scratch->text. */
static __always_inline void put_statement(struct uspan_open_span *span, struct hit_scratch *scratch, const struct uspan_open_span_key *key)
{
	begin_texts(scratch);
	if (scratch->marks & USPAN_FIELD_UNREADABLE)
		span_put_unreadable(span, USPAN_NODE_PG_STATEMENT);
	else if (scratch->text_len)
		put_scratch_text(span, scratch, 0, scratch->text_len, USPAN_NODE_PG_STATEMENT | (__u32)scratch->marks << 8);
	pg_of(span)->has_long = keep_long(span, scratch, key, USPAN_NODE_PG_STATEMENT);
}

/*
 * Reads a statement, which ends with a zero, into scratch->text. The piece of the write that it begins in has `available` more bytes. If it
 * goes on in the next one, it is cut there.
 */
static __always_inline void read_statement(struct hit_scratch *scratch, __u64 address, __u32 max, __u32 available)
{
	__u32 size;
	long len;

	if (max >= USPAN_NODE_STATEMENT_BYTES)
		max = USPAN_NODE_STATEMENT_BYTES - 1;
	/* With room for one more character, to detect a text that was cut. */
	size = max + 2;
	if (available < size)
		size = available + 1;
	barrier_var(size);
	if (size > USPAN_NODE_STATEMENT_BYTES + 1)
		return;
	len = read_user_string(scratch->text, size, address) - 1;
	scratch->marks = len < 0 || !available ? USPAN_FIELD_UNREADABLE : len + 1 == size ? USPAN_FIELD_CUT : 0;
	scratch->text_len = len < 0 ? 0 : len > (long)max ? max : len;
}

struct statement_text {
	__u8 bytes[USPAN_NODE_STATEMENT_BYTES - 1 + COMMENT_MARGIN_BYTES];
};

/* Takes over the trace that a statement names. Global, so that the verifier walks it once and not per call. */
__noinline int trace_in(const struct statement_text *text, __u32 len, struct uspan_span_head *head)
{
	if (!text || !head)
		return 0;
	return comment_traceparent(text->bytes, len, USPAN_NODE_STATEMENT_BYTES - 1, head);
}

/* The trace that the statement's own comment names, because its sender knows the trace. */
static __always_inline bool stated_trace(struct uspan_open_span *span, struct hit_scratch *scratch)
{
	return !scratch->marks && trace_in((const struct statement_text *)scratch->text, scratch->text_len, &span->head);
}

/*
 * Parse: the statement's name, then its text. Query: the text. Not global, because Linux 6.1 takes no map values from memory that is passed
 * on.
 */
static __noinline int begin_with_text(const struct hit *hit, const struct uspan_open_span_key *connection_key,
				      struct uspan_open_span *zero, __u64 address, bool named)
{
	const struct uspan_probe_head *probe = &hit->config->probe;
	struct hit_scratch *scratch = hit->scratch;
	struct uspan_open_span_key key = *connection_key;
	struct uspan_node_statement_key name = {};
	struct uspan_open_span *span = push_statement(zero, &key);
	__u64 *words = (__u64 *)scratch->window; /* the stack has no room for it */
	__u32 name_bytes = 0, available = scratch->available;

	if (!span)
		return 0;
	if (!named && put_in_place(span, address, probe->max_statement_bytes, available)) {
		begin_call(span, probe, key.owner, false);
		return 0;
	}
	if (named) {
		name_bytes = read_name(words, address, available);
		address += name_bytes;
		available -= name_bytes;
	}
	scratch->text_len = 0;
	scratch->marks = 0;
	if (!named || name_bytes)
		read_statement(scratch, address, probe->max_statement_bytes, available);
	begin_call(span, probe, key.owner, stated_trace(span, scratch));
	/* A prepared statement that is not sampled now may be sampled when it is executed again. */
	if (name_bytes > 1) {
		name.connection = pg_of(zero)->born_ktime_ns;
		name.name_hash = hash_name(words);
		bpf_map_update_elem(&node_statements, &name, &scratch->text_len, BPF_ANY);
	}
	if (!span->sampled)
		return 0;
	put_statement(span, scratch, &key);
	return 0;
}

/* Bind: the portal's name, then the statement's. Its comment belongs to the request that prepared it. */
static __noinline int begin_with_name(const struct hit *hit, const struct uspan_open_span_key *connection_key,
				      struct uspan_open_span *zero, __u64 address, bool portal)
{
	struct hit_scratch *scratch = hit->scratch;
	struct uspan_open_span_key key = *connection_key;
	struct uspan_node_statement_key name = {};
	struct uspan_node_statement *statement = 0;
	struct uspan_open_span *span = push_statement(zero, &key);
	__u64 *words = (__u64 *)scratch->window; /* the stack has no room for it */
	__u32 portal_bytes = 1;

	if (!span)
		return 0;
	begin_call(span, &hit->config->probe, key.owner, false);
	if (!span->sampled)
		return 0;
	if (portal)
		portal_bytes = read_name(words, address, scratch->available);
	if (portal_bytes &&
	    read_name(words, portal ? address + portal_bytes : address, scratch->available - (portal ? portal_bytes : 0)) > 1) {
		name.connection = pg_of(zero)->born_ktime_ns;
		name.name_hash = hash_name(words);
		statement = bpf_map_lookup_elem(&node_statements, &name);
	}
	if (statement) {
		bpf_probe_read_kernel(&scratch->text_len, sizeof(*statement), statement);
		put_statement(span, scratch, &key);
	}
	return 0;
}

/* Messages on their way to the server. */
struct messages_written {
	const struct hit *hit;
	struct uspan_open_span *zero;
	const struct uspan_open_span_key *key;
	__u64 bufs;
	__u64 base;
	__u64 len;
	__u64 at;     /* in the piece; beyond its end: that far into the next one */
	__u32 pieces;
	__u32 done;   /* all of the write was understood */
};

/* Reads the first pieces together, because each message is a piece. */
static __always_inline void read_pieces(struct hit_scratch *scratch, __u64 bufs, __u32 pieces)
{
	__u32 bytes = (pieces < BUFS ? pieces : BUFS) * sizeof(struct uv_buf);

	barrier_var(bytes);
	if (bytes > sizeof(scratch->bufs) || bpf_probe_read_user(scratch->bufs, bytes, (void *)bufs))
		__builtin_memset(scratch->bufs, 0, sizeof(scratch->bufs));
}

/* Goes on to the next piece. False: there is none, or it cannot be read. */
static __always_inline bool next_piece(struct messages_written *messages)
{
	struct hit_scratch *scratch = messages->hit->scratch;
	struct uv_buf buf = {};
	__u64 piece = scratch->piece;

	if (piece >= messages->pieces) {
		messages->done = 1;
		return false;
	}
	barrier_var(piece);
	if (piece < BUFS) {
		buf.base = scratch->bufs[2 * piece];
		buf.len = scratch->bufs[2 * piece + 1];
	} else if (bpf_probe_read_user(&buf, sizeof(buf), (void *)(messages->bufs + piece * sizeof(buf)))) {
		return false;
	}
	messages->at -= messages->len;
	messages->base = buf.base;
	messages->len = buf.len;
	scratch->piece++;
	return buf.len <= MAX_PIECE_BYTES;
}

/*
 * The header of the next message, and the first bytes behind it, where a name begins. 0: a part of it, which is all that the piece has, or it
 * cannot be read. Then `at` has not moved.
 */
static __always_inline __u64 next_header_written(struct messages_written *messages, struct uspan_node_pg_exchange *pg)
{
	__u64 left = messages->len - messages->at, address = messages->base + messages->at, header = 0;
	__u32 bytes = left < sizeof(header) ? left : sizeof(header);

	if (pg->written.header || left < MESSAGE_HEADER) {
		bytes = join_header(&pg->written, address, bytes, &header);
		messages->at += bytes;
		if (header && messages->at < messages->len)
			bpf_probe_read_user((__u8 *)&header + MESSAGE_HEADER, 1, (void *)(address + bytes));
		return header;
	}
	barrier_var(bytes);
	if (bytes > sizeof(header) || bpf_probe_read_user(&header, bytes, (void *)address))
		return 0;
	messages->at += MESSAGE_HEADER;
	return header;
}

/* Something that is answered by ReadyForQuery, but is no statement. */
static __always_inline void expect_ready(struct uspan_node_pg_exchange *pg)
{
	__u32 slot;

	take_slot(&pg->queue, &slot);
}

/* A Query has a text. A Parse or Bind begins with a name, which is often empty. */
static __always_inline void begin_statement(struct messages_written *messages, __u64 header)
{
	__u64 body = messages->base + messages->at;
	bool named = (__u8)header != 'Q' && (header >> HEADER_BITS & 0xff);

	if ((__u8)header != 'Q' && !named) {
		body++;
		if (messages->hit->scratch->available)
			messages->hit->scratch->available--;
	}
	if ((__u8)header == 'B')
		begin_with_name(messages->hit, messages->key, messages->zero, body, named);
	else
		begin_with_text(messages->hit, messages->key, messages->zero, body, named);
}

/*
 * What a message means for the statements in flight. False: it is not known which answers will come. The server leaves out what it gets
 * between an error and the next Sync, so nobody knows whether it answers a Query there. It takes for data what it gets during a COPY.
 */
static __always_inline bool take_message_written(struct messages_written *messages, struct uspan_node_pg_exchange *pg, __u64 header)
{
	bool begins = false;
	__u8 type = header;

	if (pg->copying && (type == 'Q' || type == 'P' || type == 'B' || type == 'S' || type == 'F'))
		return false;
	switch (type) {
	case 'Q':
	case 'F':
		if (pg->statement_open)
			return false;
		begins = type == 'Q';
		if (!begins)
			expect_ready(pg);
		break;
	case 'P':
	case 'B':
		begins = !pg->statement_open;
		pg->statement_open = pg->extended = 1;
		break;
	case 'S':
		if (!pg->statement_open)
			expect_ready(pg);
		pg->statement_open = 0;
		break;
	case 'c':
	case 'f':
		pg->copying = 0;
		break;
	}
	if (begins)
		begin_statement(messages, header);
	return true;
}

static long look_at_written(__u32 index __attribute__((unused)), struct messages_written *messages)
{
	struct uspan_node_pg_exchange *pg = pg_of(messages->zero);
	__u64 header, left, body;

	if (messages->at >= messages->len)
		return !next_piece(messages);
	header = next_header_written(messages, pg);
	if (!header)
		return messages->at < messages->len;
	left = messages->len - messages->at;
	body = body_of(header);
	messages->hit->scratch->available = body < left ? body : left;
	if (!is_message_written(header) || !take_message_written(messages, pg, header))
		return 1;
	messages->at += body;
	return 0;
}

/*
 * False: the write contradicts what is known of the connection. scratch->piece is the first piece that is looked at. It is not in `messages`,
 * because the verifier would follow the loop once for each of its values.
 */
static __always_inline bool write_messages(const struct hit *hit, const struct uspan_open_span_key *key, struct uspan_open_span *zero)
{
	struct messages_written messages = {
		.hit = hit,
		.zero = zero,
		.key = key,
		.bufs = hit->scratch->data,
		.at = pg_of(zero)->written.left,
		.pieces = hit->scratch->len,
	};

	read_pieces(hit->scratch, hit->scratch->data, hit->scratch->len);
	bpf_loop(MAX_MESSAGES, look_at_written, &messages, 0);
	pg_of(zero)->written.left = messages.at > messages.len ? messages.at - messages.len : 0;
	return messages.done;
}

#endif
