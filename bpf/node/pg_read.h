/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What PostgreSQL answers: which statements end, and how. */
#ifndef USPAN_NODE_PG_READ_H
#define USPAN_NODE_PG_READ_H

#include "node/pg_statement.h"

#define READY_BYTES 6
#define ERROR_BYTES 128 /* of an ErrorResponse that are searched for its SQLSTATE: only two short fields come before it */

/* Whether a read ends with ReadyForQuery: 'Z', its length, and idle, in a transaction, or in a failed one. */
static __always_inline bool ends_ready(__u64 base, __u32 len)
{
	__u8 tail[8] = {};

	if (len < READY_BYTES || bpf_probe_read_user(tail, READY_BYTES, (void *)(base + len - READY_BYTES)))
		return false;
	return tail[0] == 'Z' && tail[1] == 0 && tail[2] == 0 && tail[3] == 0 && tail[4] == 5 &&
	       (tail[5] == 'I' || tail[5] == 'T' || tail[5] == 'E');
}

/*
 * Goes on with an ErrorResponse, of which the window has the next `len` bytes: fields with a type and a text that ends with a zero. Global,
 * so that the verifier walks it once.
 */
__noinline int read_sqlstate(struct uspan_node_pg_exchange *pg, struct hit_scratch *scratch, __u32 len)
{
	if (!pg || !scratch)
		return 0;
	for (__u32 i = 0; i < ERROR_BYTES && i < len; i++) {
		__u8 byte = scratch->window[i];
		__u32 place = pg->error_at - USPAN_NODE_PG_ERROR_CODE;

		if (place < 5) {
			pg->sqlstate[place] = byte;
			pg->error_at = place < 4 ? pg->error_at + 1 : USPAN_NODE_PG_ERROR_NOWHERE;
			if (place == 4)
				return 0;
		} else if (pg->error_at == USPAN_NODE_PG_ERROR_OTHER) {
			if (byte == 0)
				pg->error_at = USPAN_NODE_PG_ERROR_TYPE;
		} else {
			pg->error_at = byte == 'C' ? USPAN_NODE_PG_ERROR_CODE : USPAN_NODE_PG_ERROR_OTHER;
		}
	}
	return 0;
}

/* Keeps why a statement has failed, from the next `len` bytes of an ErrorResponse. */
static __always_inline void look_at_error(struct hit_scratch *scratch, struct uspan_node_pg_exchange *pg, __u64 address, __u32 len)
{
	__u32 bytes = ERROR_BYTES - pg->error_bytes;

	if (bytes > len)
		bytes = len;
	barrier_var(bytes);
	if (bytes > ERROR_BYTES || bpf_probe_read_user(scratch->window, bytes, (void *)address))
		return;
	pg->error_bytes += bytes;
	read_sqlstate(pg, scratch, bytes);
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
	__u32 done;       /* all of the read was understood */
	__u32 window_at;  /* the bytes of the read that are in scratch->text */
	__u32 window_len;
};

/* The header of the next message. 0: this read ends with a part of it, and is done, or it cannot be read. */
static __always_inline __u64 next_header(struct messages_read *messages, struct uspan_node_pg_exchange *pg)
{
	__u32 left = messages->len - messages->at, bytes = left < WINDOW_BYTES ? left : WINDOW_BYTES;
	__u64 at = messages->at - messages->window_at, header;

	if (pg->read.header || left < MESSAGE_HEADER) {
		messages->at += join_header(&pg->read, messages->base + messages->at, left, &header);
		messages->done = !header && messages->at == messages->len;
		return header;
	}
	barrier_var(at);
	if (at > WINDOW_BYTES || at + MESSAGE_HEADER > messages->window_len) {
		barrier_var(bytes);
		if (bytes > WINDOW_BYTES ||
		    bpf_probe_read_user(messages->scratch->text, bytes, (void *)(messages->base + messages->at)))
			return 0;
		messages->window_at = messages->at;
		messages->window_len = bytes;
		at = 0;
	}
	messages->at += MESSAGE_HEADER;
	return *(__u64 *)(messages->scratch->text + at);
}

/*
 * What a message means for the statements in flight. False: it contradicts them.
 *
 * Data for COPY is expected by a statement that may have something behind it: a Sync, which the server then ignores, or another statement,
 * which it takes for data. So it is not known what will be answered.
 */
static __always_inline bool take_message(struct messages_read *messages, struct uspan_node_pg_exchange *pg, __u8 type)
{
	switch (type) {
	case 'Z':
		if (!pg->queue.active)
			return false;
		pg->copying = 0;
		finish_statement(messages->key, messages->zero, messages->probe_id, 0);
		break;
	case 'E':
		if (pg->queue.active && !pg->sqlstate[0]) {
			pg->error_at = USPAN_NODE_PG_ERROR_TYPE;
			pg->error_bytes = 0;
		}
		break;
	case 'G':
	case 'W':
		if (pg->extended || pg->queue.active != 1)
			return false;
		pg->copying = 1;
		break;
	}
	return true;
}

static long look_at_read(__u32 index __attribute__((unused)), struct messages_read *messages)
{
	struct uspan_node_pg_exchange *pg = pg_of(messages->zero);
	__u64 header = next_header(messages, pg);
	__u32 body, left;

	if (!header || !is_message_read(header) || !take_message(messages, pg, header))
		return 1;
	body = body_of(header);
	left = messages->len - messages->at;
	if (pg->error_at) {
		look_at_error(messages->scratch, pg, messages->base + messages->at, body < left ? body : left);
		if (body <= left)
			pg->error_at = 0;
	}
	if (body < left) {
		messages->at += body;
		return 0;
	}
	pg->read.left = body - left;
	messages->done = 1;
	return 1;
}

/* False: the read contradicts what is known of the connection. */
static __always_inline bool read_messages(const struct hit *hit, const struct uspan_open_span_key *key, struct uspan_open_span *zero,
					  __u64 base, __u32 len)
{
	struct uspan_node_pg_exchange *pg = pg_of(zero);
	__u32 rest = pg->read.left < len ? pg->read.left : len;
	struct messages_read messages = {
		.zero = zero,
		.scratch = hit->scratch,
		.key = key,
		.base = base,
		.len = len,
		.at = rest,
		.probe_id = hit->probe_id,
	};

	if (rest) {
		pg->read.left -= rest;
		if (pg->error_at) {
			look_at_error(hit->scratch, pg, base, rest);
			if (!pg->read.left)
				pg->error_at = 0;
		}
		if (rest == len)
			return true;
	}
	bpf_loop(MAX_MESSAGES, look_at_read, &messages, 0);
	return messages.done;
}

#endif
