/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Requests of Node's HTTP/1 clients: node:http, node:https and fetch. What they write is a request when it begins as one. */
#ifndef USPAN_NODE_CLIENT_H
#define USPAN_NODE_CLIENT_H

#include "node/context.h"
#include "node/response.h"

#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)
#define BUSY (~0ull)

struct uv_buf {
	__u64 base;
	__u64 len;
};

/* The methods of RFC 9110, PATCH and QUERY, by four bytes; what follows is for is_request to tell. */
static __always_inline bool begins_request(__u32 word)
{
	switch (word) {
	case FOUR('G', 'E', 'T', ' '):
	case FOUR('P', 'O', 'S', 'T'):
	case FOUR('P', 'U', 'T', ' '):
	case FOUR('H', 'E', 'A', 'D'):
	case FOUR('D', 'E', 'L', 'E'):
	case FOUR('P', 'A', 'T', 'C'):
	case FOUR('O', 'P', 'T', 'I'):
	case FOUR('C', 'O', 'N', 'N'):
	case FOUR('T', 'R', 'A', 'C'):
	case FOUR('Q', 'U', 'E', 'R'):
		return true;
	}
	return false;
}

/* "PRI * HTTP/2.0": RFC 9113 §3.4 */
static __always_inline bool begins_http2(__u32 word)
{
	return word == FOUR('P', 'R', 'I', ' ');
}

struct pieces_behind {
	__u64 bufs;
	__u64 bytes;
};

static long add_piece(__u32 index, struct pieces_behind *pieces)
{
	struct uv_buf buf;

	if (bpf_probe_read_user(&buf, sizeof(buf), (void *)(pieces->bufs + (index + 1) * sizeof(buf)))) {
		pieces->bytes = BUSY;
		return 1;
	}
	pieces->bytes += buf.len;
	return 0;
}

/* Bytes of the pieces of a write behind the first; BUSY when they cannot be read. */
static __always_inline __u64 bytes_behind(__u64 bufs, __u32 count)
{
	struct pieces_behind pieces = { .bufs = bufs };

	if (count > 1)
		bpf_loop(count - 1, add_piece, &pieces, 0);
	return pieces.bytes;
}

/* How much of the request's body will be written later. */
static __always_inline __u64 body_left(const struct uspan_node_connection *c, __u32 head, const struct uv_buf *first, __u64 bufs,
				       __u32 count)
{
	__u64 behind;

	if (c->has_encoding || !head)
		return BUSY;
	if (!c->has_length)
		return 0;
	behind = bytes_behind(bufs, count);
	if (behind == BUSY)
		return BUSY;
	behind += first->len - head;
	return c->content_length > behind ? c->content_length - behind : 0;
}

/* The outgoing traceparent: what sends it has said whose trace this is. */
static __always_inline bool written_trace(const struct uspan_node_connection *c, struct uspan_span_head *span)
{
	if (c->traceparents == 0)
		return false;
	if (c->traceparents > 1 || !parse_trace(span, (const struct trace_text *)c->traceparent, c->traceparent_len)) {
		count(USPAN_COUNTER_BAD_TRACEPARENT);
		return false;
	}
	/* Whether it came from another process it does not say. */
	span->trace_flags &= 0xff;
	return true;
}

/*
 * A write whose first piece, `first`, begins with a method. `probe_and_how` ends the request before, where its end was not seen.
 * The record is the event and the head as it was written, for user space to take apart.
 */
static __always_inline void begin_client_request(const struct uspan_node_key *key, struct uspan_node_connection *c,
						 const struct uv_buf *first, __u64 bufs, __u32 pieces, __u32 probe_and_how)
{
	__u32 len = first->len > 0x7fffffff ? 0x7fffffff : first->len, head = scan_head(c, first->base, len, 1), kept;
	struct uspan_node_client_event *event;
	struct uspan_node_request *request;

	if (c->is_request != 1)
		return;
	if (c->active && c->phase != USPAN_NODE_PHASE_HEAD)
		finish_request(key, c, probe_and_how | FINISH_AT_TOUCH << 16);
	c->role = USPAN_NODE_ROLE_CLIENT;
	c->request_left = body_left(c, head, first, bufs, pieces);
	request = push_request(key, c);
	if (!request)
		return;
	count(USPAN_COUNTER_NODE_REQUESTS);
	request->kind = USPAN_EVENT_NODE_HTTP_CLIENT;
	request->bodiless = (__u32)c->line[0] == FOUR('H', 'E', 'A', 'D');
	request->tunnel = (__u32)c->line[0] == FOUR('C', 'O', 'N', 'N');
	event = (struct uspan_node_client_event *)request->record;
	__builtin_memset(event, 0, sizeof(*event));
	event->span.start_ktime_ns = bpf_ktime_get_ns();
	request->sampled = begin_call_trace(&event->span, written_trace(c, &event->span));
	if (!request->sampled)
		return;
	event->peer = c->peer;
	if (probe_and_how >> 16 & FINISH_TLS)
		event->span.span_flags |= USPAN_SPAN_TLS;
	kept = head ? head : len;
	if (kept > USPAN_NODE_HEAD_BYTES) {
		kept = USPAN_NODE_HEAD_BYTES;
		event->span.span_flags |= USPAN_SPAN_CUT;
	}
	if (bpf_probe_read_user(request->record + sizeof(*event), kept, (void *)first->base)) {
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
		kept = 0;
	}
	event->head_len = kept;
	request->record_bytes = sizeof(*event) + kept;
}

/* Data for a client. */
static __always_inline void read_client_response(const struct uspan_node_key *key, struct uspan_node_connection *c, __u64 base,
						 __u32 len, __u32 probe_and_how)
{
	for (__u32 i = 0; i < 8 && len && c->active; i++) {
		__u32 taken = follow_response(c, base, len, 0);

		if (c->ended) {
			finish_request(key, c, probe_and_how);
			c->request_left = 0;
		}
		if (taken >= len)
			return;
		base += taken;
		len -= taken;
	}
}

#endif
