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
__noinline int read_sqlstate(struct uspan_node_pg *pg, struct hit_scratch *scratch, __u32 len)
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
	struct uspan_node_pg *pg;
	struct hit_scratch *scratch;
	const struct uspan_open_span_key *key;
	__u64 base;
	__u32 len;
	__u32 at;
	__u32 probe_id;
	__u32 done;
};

/* Bytes of the first read. Most answers are not longer. */
static __always_inline void read_answer(struct hit_scratch *scratch, __u64 base, __u32 len)
{
	__u32 bytes = len < WINDOW_BYTES ? len : WINDOW_BYTES;

	barrier_var(bytes);
	scratch->window_len = 0;
	if (bytes <= WINDOW_BYTES && bpf_probe_read_user(scratch->text, bytes, (void *)base) == 0)
		scratch->window_len = bytes;
}

/* Puts `bytes` bytes of a message's header behind the `have` bytes that an earlier read ended with. */
static __always_inline bool read_header(struct messages_read *messages, __u32 have, __u32 bytes)
{
	struct hit_scratch *scratch = messages->scratch;
	__u64 at = messages->at;

	barrier_var(at);
	if (have == 0 && bytes == MESSAGE_HEADER && at < WINDOW_BYTES && at + MESSAGE_HEADER <= scratch->window_len) {
		for (__u32 i = 0; i < MESSAGE_HEADER; i++)
			scratch->window[i] = scratch->text[at + i];
		return true;
	}
	return bpf_probe_read_user(scratch->window + (have & 7), bytes & 7, (void *)(messages->base + messages->at)) == 0;
}

static long look_at_read(__u32 index __attribute__((unused)), struct messages_read *messages)
{
	struct uspan_node_pg *pg = messages->pg;
	__u8 *window = messages->scratch->window;
	__u32 have = pg->header_len & 7, want, left = messages->len - messages->at;
	__u32 body, bytes;

	if (messages->at >= messages->len) {
		messages->done = 1;
		return 1;
	}
	want = MESSAGE_HEADER - have;
	bytes = want < left ? want : left;
	barrier_var(bytes); /* the compiler knows that masks change nothing; the verifier does not */
	bytes &= 7;
	if (have > 4 || !read_header(messages, have, bytes))
		return 1;
	for (__u32 i = 0; i < have && i < 4; i++)
		window[i] = pg->header[i];
	messages->at += bytes;
	if (bytes < want) {
		for (__u32 i = 0; i < 5; i++)
			pg->header[i] = window[i];
		pg->header_len = have + bytes;
		messages->done = 1;
		return 1;
	}
	pg->header_len = 0;
	body = (__u32)window[1] << 24 | (__u32)window[2] << 16 | (__u32)window[3] << 8 | window[4];
	body = body < 4 ? 0 : body - 4;
	left = messages->len - messages->at;
	if (window[0] == 'E' && pg->queue.active) {
		bytes = body < left ? body : left;
		if (bytes > 128)
			bytes = 128;
		barrier_var(bytes);
		bytes &= 255;
		if (!pg->sqlstate[0] && bpf_probe_read_user(window, bytes, (void *)(messages->base + messages->at)) == 0)
			read_sqlstate(pg, messages->scratch, bytes);
	} else if (window[0] == 'Z' && pg->queue.active) {
		finish_statement(messages->key, pg, messages->probe_id, 0);
	}
	if (body > left) {
		pg->left = body - left;
		messages->done = 1;
		return 1;
	}
	messages->at += body;
	return 0;
}

static __always_inline void read_messages(const struct hit *hit, const struct uspan_open_span_key *key, struct uspan_node_pg *pg,
					  __u64 base, __u32 len)
{
	struct messages_read messages = {
		.pg = pg,
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
		read_answer(hit->scratch, base, len);
		bpf_loop(MAX_MESSAGES_READ, look_at_read, &messages, 0);
		if (messages.done || messages.at >= len)
			return;
		pg->unsynced = 1;
	}
	/* A large result. The end of its statement is at the end of some read. */
	if (ends_ready(base, len)) {
		pg->unsynced = 0;
		pg->left = pg->header_len = 0;
		if (pg->queue.active)
			finish_statement(key, pg, hit->probe_id, 0);
	}
}

#endif
