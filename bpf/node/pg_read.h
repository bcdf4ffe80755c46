/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What PostgreSQL answers: which statements end, and how. */
#ifndef USPAN_NODE_PG_READ_H
#define USPAN_NODE_PG_READ_H

#include "node/pg_statement.h"

/* Messages of one read that are looked at. Rows of a large result are not looked at one by one. */
#define MAX_MESSAGES_READ 32
#define READY_BYTES 6

/* Whether a read ends with ReadyForQuery: 'Z', its length, and idle, in a transaction, or in a failed one. */
static __always_inline bool ends_ready(__u64 base, __u32 len)
{
	__u8 tail[8] = {};

	if (len < READY_BYTES || bpf_probe_read_user(tail, READY_BYTES, (void *)(base + len - READY_BYTES)))
		return false;
	return tail[0] == 'Z' && tail[1] == 0 && tail[2] == 0 && tail[3] == 0 && tail[4] == 5 &&
	       (tail[5] == 'I' || tail[5] == 'T' || tail[5] == 'E');
}

/* SQLSTATE of an ErrorResponse, of which the window has `len` bytes: fields with a type and a text that ends with a zero. */
__noinline int read_sqlstate(struct uspan_node_pg_exchange *pg, struct hit_scratch *scratch, __u32 len)
{
	bool field = true;

	if (!pg || !scratch)
		return 0;
	for (__u32 i = 0; i < 120 && i + 6 < len; i++) {
		__u8 byte = scratch->window[i];

		if (field && byte == 'C') {
			for (__u32 k = 0; k < 5; k++)
				pg->sqlstate[k] = scratch->window[i + 1 + k];
			return 0;
		}
		field = byte == 0;
	}
	return 0;
}

/* Messages from the server. */
struct messages_read {
	struct uspan_open_span *zero;
	struct hit_scratch *scratch;
	const struct uspan_open_span_key *key;
	__u64 base;
	__u32 len;
	__u32 at;
	__u32 probe_id;
	__u32 done;
	__u32 window_len; /* bytes of the read that are in scratch->text */
	__u32 reserved;
};

/* Bytes of the first read. Most answers are not longer. */
static __always_inline void read_answer(struct messages_read *messages)
{
	__u32 bytes = messages->len < WINDOW_BYTES ? messages->len : WINDOW_BYTES;

	barrier_var(bytes);
	if (bytes <= WINDOW_BYTES && bpf_probe_read_user(messages->scratch->text, bytes, (void *)messages->base) == 0)
		messages->window_len = bytes;
}

/*
 * The header of the next message: type and length, in the lowest bytes. An earlier read may have ended with a part of it. 0: this read ends
 * with a part of it too, and is done, or it cannot be read.
 */
static __always_inline __u64 next_header(struct messages_read *messages, struct uspan_node_pg_exchange *pg)
{
	__u32 have = pg->header_len & 7, left = messages->len - messages->at, want = MESSAGE_HEADER - have;
	__u32 bytes = want < left ? want : left;
	__u64 at = messages->at, header = 0;

	barrier_var(at);
	if (have == 0 && at < WINDOW_BYTES && at + MESSAGE_HEADER <= messages->window_len) {
		messages->at += MESSAGE_HEADER;
		return *(__u64 *)(messages->scratch->text + at);
	}
	barrier_var(bytes); /* the compiler knows that the test changes nothing; the verifier does not */
	if (have >= MESSAGE_HEADER || bytes > MESSAGE_HEADER || bpf_probe_read_user(&header, bytes, (void *)(messages->base + messages->at)))
		return 0;
	header = header << 8 * have | *(__u64 *)pg->header;
	messages->at += bytes;
	if (bytes < want) {
		*(__u64 *)pg->header = header;
		pg->header_len = have + bytes;
		messages->done = 1;
		return 0;
	}
	*(__u64 *)pg->header = 0;
	pg->header_len = 0;
	return header;
}

/* Keeps why a statement has failed, from the first `body` bytes of a message behind its header. */
static __always_inline void look_at_error(struct messages_read *messages, struct uspan_node_pg_exchange *pg, __u32 body)
{
	__u8 *window = messages->scratch->window;
	__u32 left = messages->len - messages->at, bytes = body < left ? body : left;

	if (pg->sqlstate[0])
		return;
	if (bytes > 128)
		bytes = 128;
	barrier_var(bytes);
	bytes &= 255;
	if (bpf_probe_read_user(window, bytes, (void *)(messages->base + messages->at)) == 0)
		read_sqlstate(pg, messages->scratch, bytes);
}

static long look_at_read(__u32 index __attribute__((unused)), struct messages_read *messages)
{
	struct uspan_node_pg_exchange *pg = pg_of(messages->zero);
	__u32 body, left;
	__u64 header;

	if (messages->at >= messages->len) {
		messages->done = 1;
		return 1;
	}
	header = next_header(messages, pg);
	if (!header)
		return 1;
	body = bpf_ntohl((__u32)(header >> 8));
	body = body < 4 ? 0 : body - 4;
	if (pg->queue.active) {
		if ((__u8)header == 'Z')
			finish_statement(messages->key, messages->zero, messages->probe_id, 0);
		else if ((__u8)header == 'E')
			look_at_error(messages, pg, body);
	}
	left = messages->len - messages->at;
	if (body > left) {
		pg->left = body - left;
		messages->done = 1;
		return 1;
	}
	messages->at += body;
	return 0;
}

static __always_inline void read_messages(const struct hit *hit, const struct uspan_open_span_key *key, struct uspan_open_span *zero,
					  __u64 base, __u32 len)
{
	struct uspan_node_pg_exchange *pg = pg_of(zero);
	struct messages_read messages = {
		.zero = zero,
		.scratch = hit->scratch,
		.key = key,
		.base = base,
		.len = len,
		.probe_id = hit->probe_id,
	};

	if (!pg->unsynced) {
		if (pg->left >= len) {
			pg->left -= len;
			return;
		}
		messages.at = pg->left;
		pg->left = 0;
		read_answer(&messages);
		bpf_loop(MAX_MESSAGES_READ, look_at_read, &messages, 0);
		if (messages.done || messages.at >= len)
			return;
		pg->unsynced = 1;
	}
	/* A large result. The end of its statement is at the end of some read. */
	if (ends_ready(base, len)) {
		pg->unsynced = 0;
		pg->left = pg->header_len = 0;
		*(__u64 *)pg->header = 0;
		if (pg->queue.active)
			finish_statement(key, zero, hit->probe_id, 0);
	}
}

#endif
