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
#define MAX_MESSAGES_WRITTEN 64

/* 64 bits of FNV-1a over words, of a name in 64 bytes that end with zeros. */
static __always_inline __u64 hash_name(const __u64 *words)
{
	__u64 hash = 0xcbf29ce484222325ull;

	for (__u32 i = 0; i < NAME_BYTES / 8; i++)
		hash = (hash ^ words[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

/* Reads a name. Returns its bytes with the zero, 1 for an empty one, or 0. Texts longer than PostgreSQL's 63 bytes are not names. */
static __always_inline __u32 read_name(__u64 *words, __u64 address)
{
	long len;

	__builtin_memset(words, 0, NAME_BYTES);
	len = read_user_string(words, NAME_BYTES, address);
	return len > 0 && len <= NAME_BYTES ? len : 0;
}

#define TEXT_IN_PLACE 480 /* this much of a statement fits into an entry, behind the connection's own fields */

_Static_assert(KEPT_BYTES + FIELD_HEAD + TEXT_IN_PLACE + END_BYTES <= USPAN_FIELDS_BYTES, "an entry has room for a statement");

static __always_inline __u64 eight_bytes(const struct uspan_open_span *span, __u64 at)
{
	barrier_var(at);
	return at > USPAN_FIELDS_BYTES - 8 ? 0 : *(const __u64 *)(span->fields + at);
}

/* Reads a statement to its place in the record. False: it is long, cannot be read, or has a comment that may name its parent. */
static __always_inline bool put_in_place(struct uspan_open_span *span, __u64 address, __u32 max)
{
	struct uspan_field_head head = { .field = USPAN_NODE_PG_STATEMENT };
	__u32 size = max + 2 < TEXT_IN_PLACE ? max + 2 : TEXT_IN_PLACE; /* as in read_statement() */
	__u64 at = span->used, text;
	long len;

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

/* Reads a statement, which ends with a zero, into scratch->text. */
static __always_inline void read_statement(struct hit_scratch *scratch, __u64 address, __u32 max)
{
	long len;

	if (max >= USPAN_NODE_STATEMENT_BYTES)
		max = USPAN_NODE_STATEMENT_BYTES - 1;
	barrier_var(max);
	if (max >= USPAN_NODE_STATEMENT_BYTES)
		return;
	/* With room for one more character, to detect a text that was cut. */
	len = read_user_string(scratch->text, max + 2, address) - 1;
	scratch->marks = len < 0 ? USPAN_FIELD_UNREADABLE : len > (long)max ? USPAN_FIELD_CUT : 0;
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
	__u64 words[NAME_BYTES / 8];
	__u32 name_bytes = 0;

	if (!span)
		return 0;
	if (!named && put_in_place(span, address, probe->max_statement_bytes)) {
		begin_call(span, probe, key.owner, false);
		return 0;
	}
	if (named) {
		name_bytes = read_name(words, address);
		address += name_bytes;
	}
	scratch->text_len = 0;
	scratch->marks = 0;
	if (!named || name_bytes)
		read_statement(scratch, address, probe->max_statement_bytes);
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
	__u64 words[NAME_BYTES / 8];
	__u32 portal_bytes = 1;

	if (!span)
		return 0;
	begin_call(span, &hit->config->probe, key.owner, false);
	if (!span->sampled)
		return 0;
	if (portal)
		portal_bytes = read_name(words, address);
	if (portal_bytes && read_name(words, portal ? address + portal_bytes : address) > 1) {
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
	__u64 at;    /* in the piece; beyond its end: that far into the next one */
	__u32 piece;
	__u32 pieces;
};

/* Reads the first pieces together, because each message is a piece. */
static __always_inline void read_pieces(struct hit_scratch *scratch, __u64 bufs, __u32 pieces)
{
	__u32 bytes = (pieces < BUFS ? pieces : BUFS) * sizeof(struct uv_buf);

	barrier_var(bytes);
	if (bytes > sizeof(scratch->bufs) || bpf_probe_read_user(scratch->bufs, bytes, (void *)bufs))
		__builtin_memset(scratch->bufs, 0, sizeof(scratch->bufs));
}

/*
 * Passes over the Describe and Execute that follow a Parse or Bind, because each read costs as much as all else that is done for a message.
 * A piece of this size is one message with a body, which is no Sync and too short to matter here. Only with exactly ten bytes it can be two
 * messages without a body. If nothing but a Sync comes behind it, this does not matter either.
 */
static __always_inline void pass_over(struct messages_written *messages, __u64 piece)
{
	struct hit_scratch *scratch = messages->hit->scratch;
	/* Read anew, so that the verifier learns nothing of messages->len and sees the same state as for other pieces. */
	__u64 len = *(volatile __u64 *)&scratch->bufs[2 * piece + 1];

	if (messages->at || !pg_of(messages->zero)->statement_open || messages->piece >= messages->pieces)
		return;
	if (len <= MESSAGE_HEADER || len > 2 * MESSAGE_HEADER || scratch->unread)
		return;
	messages->at = messages->len;
	if (len == 2 * MESSAGE_HEADER)
		scratch->unread = messages->base;
}

/* Looks for a Sync in what was passed over, because something else comes behind it. */
static __always_inline void look_at_unread(struct messages_written *messages)
{
	__u8 bytes[2 * MESSAGE_HEADER] = {};

	bpf_probe_read_user(bytes, sizeof(bytes), (void *)messages->hit->scratch->unread);
	messages->hit->scratch->unread = 0;
	/* The first message has no body: its length is 4. */
	if (bytes[4] == 4 && (bytes[0] == 'S' || bytes[MESSAGE_HEADER] == 'S'))
		pg_of(messages->zero)->statement_open = 0;
}

/* Goes on to the next piece. False: there is none. */
static __always_inline bool next_piece(struct messages_written *messages)
{
	const struct hit_scratch *scratch = messages->hit->scratch;
	struct uv_buf buf = {};
	__u64 piece = messages->piece;

	if (piece >= messages->pieces)
		return false;
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
	messages->piece++;
	if (piece < BUFS)
		pass_over(messages, piece);
	return true;
}

static long look_at_written(__u32 index __attribute__((unused)), struct messages_written *messages)
{
	struct uspan_node_pg_exchange *pg = pg_of(messages->zero);
	__u64 header = 0; /* type, length, and the first bytes behind them: a name begins */
	__u64 body, left;
	__u32 bytes;
	bool named;

	if (messages->at >= messages->len)
		return !next_piece(messages);
	left = messages->len - messages->at;
	bytes = left < sizeof(header) ? left : sizeof(header);
	barrier_var(bytes);
	if (left < MESSAGE_HEADER || bytes > sizeof(header) ||
	    bpf_probe_read_user(&header, bytes, (void *)(messages->base + messages->at))) {
		messages->at = messages->len;
		return 1;
	}
	body = messages->base + messages->at + MESSAGE_HEADER;
	if (messages->hit->scratch->unread && (__u8)header != 'S')
		look_at_unread(messages);
	named = (header >> 8 * MESSAGE_HEADER & 0xff) != 0;
	switch ((__u8)header) {
	case 'Q':
		if (!pg->statement_open)
			begin_with_text(messages->hit, messages->key, messages->zero, body, false);
		break;
	case 'P':
		if (!pg->statement_open)
			begin_with_text(messages->hit, messages->key, messages->zero, named ? body : body + 1, named);
		pg->statement_open = 1;
		break;
	case 'B':
		if (!pg->statement_open)
			begin_with_name(messages->hit, messages->key, messages->zero, named ? body : body + 1, named);
		pg->statement_open = 1;
		break;
	case 'S':
		pg->statement_open = 0;
		messages->hit->scratch->unread = 0;
		break;
	}
	messages->at += 1 + bpf_ntohl((__u32)(header >> 8));
	return 0;
}

static __always_inline void write_messages(const struct hit *hit, const struct uspan_open_span_key *key, struct uspan_open_span *zero)
{
	struct messages_written messages = {
		.hit = hit,
		.zero = zero,
		.key = key,
		.bufs = hit->scratch->data,
		.at = pg_of(zero)->left_to_write,
		.pieces = hit->scratch->len,
	};

	hit->scratch->unread = 0;
	read_pieces(hit->scratch, hit->scratch->data, hit->scratch->len);
	bpf_loop(MAX_MESSAGES_WRITTEN, look_at_written, &messages, 0);
	if (hit->scratch->unread)
		look_at_unread(&messages);
	pg_of(zero)->left_to_write = messages.at > messages.len ? messages.at - messages.len : 0;
}

#endif
