/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Where a response ends: RFC 9112 §6. The same for what a server writes and for what a client reads. */
#ifndef USPAN_NODE_RESPONSE_H
#define USPAN_NODE_RESPONSE_H

#include "node/connections.h"
#include "node/http_head.h"

#define LAST_CHUNK 0x0a0d30   /* "0\r\n" */
#define EMPTY_LINE 0x0a0d0a0d /* "\r\n\r\n" */

static __always_inline __u32 status_of(const struct uspan_node_connection *c)
{
	/* HTTP/1.1 200 */
	__u32 hundreds = (c->line[1] >> 8 & 0xff) - '0', tens = (c->line[1] >> 16 & 0xff) - '0', ones = (c->line[1] >> 24 & 0xff) - '0';

	return hundreds > 9 || tens > 9 || ones > 9 ? 0 : hundreds * 100 + tens * 10 + ones;
}

/* Both kinds of records have their status there. */
static __always_inline void set_status(struct uspan_node_connection *c, __u32 status)
{
	((struct uspan_http_server_event *)c->current.record)->status = status;
	if (c->current.kind == USPAN_EVENT_NODE_HTTP_CLIENT)
		((struct uspan_node_client_event *)c->current.record)->proto_minor = (c->line[0] >> 56) - '0';
}

/* Whether the four bytes at `address` begin what ends a chunked body. */
static __always_inline bool is_last_chunk(__u64 address)
{
	__u32 word = 0;

	return bpf_probe_read_user(&word, sizeof(word), (void *)address) == 0 && (word & 0xffffff) == LAST_CHUNK;
}

/*
 * What a client has read of a chunked body ends with these 5 bytes: the last chunk, or perhaps trailers behind it, or data. Nobody knows
 * which until the connection is used again or ends, so that this decides only what such an end means.
 */
static __always_inline void look_at_tail(struct uspan_node_connection *c, __u64 address)
{
	__u64 tail = 0;

	bpf_probe_read_user(&tail, 5, (void *)address);
	c->ending = tail >> 8 == EMPTY_LINE;
	if (c->ending && (tail & 0xffffff) == LAST_CHUNK) {
		c->phase = USPAN_NODE_PHASE_HEAD;
		c->ending = 0;
		c->ended = 1;
	}
}

/* Decides by the head just scanned where the body of the response in turn ends. False: nothing follows the head. */
static __always_inline bool has_body(struct uspan_node_connection *c, __u32 status)
{
	if (status == 101 || (c->current.tunnel && status >= 200 && status < 300)) {
		c->role = USPAN_NODE_ROLE_OTHER;
		return false;
	}
	if (status == 204 || status == 304 || c->current.bodiless)
		return false;
	if (c->has_encoding) {
		c->phase = USPAN_NODE_PHASE_CHUNKED;
		return true;
	}
	if (!c->has_length) {
		c->phase = USPAN_NODE_PHASE_CLOSE;
		return true;
	}
	c->left = c->content_length;
	c->phase = USPAN_NODE_PHASE_LENGTH;
	return c->left != 0;
}

/*
 * Follows the response through `len` more bytes at `address`; returns how many of them belong to it, and sets c->ended when it is over.
 * `pieces`: they come as Node's server made them, in which the end of a chunked body is a piece of its own, or follows the head at once;
 * then c->ending is set for what may be that end, which the next piece decides. Else the end of a body is the end of what was read.
 */
__noinline int follow_response(struct uspan_node_connection *c, __u64 address, __u32 len, __u32 pieces)
{
	__u32 at = 0, status;

	if (!c)
		return 0;
	c->ended = 0;
	if (c->phase <= USPAN_NODE_PHASE_HEAD_REST) {
		bool fresh = c->phase == USPAN_NODE_PHASE_HEAD;

		at = scan_head(c, address, len, fresh);
		if ((c->line[0] & SEVEN_BYTES) != HTTP_1_DOT)
			return len;
		status = status_of(c);
		if (status == 0)
			return len;
		if (status >= 200 || status == 101)
			set_status(c, status);
		c->phase = USPAN_NODE_PHASE_HEAD;
		if (at == 0) {
			c->phase = USPAN_NODE_PHASE_HEAD_REST;
			return len;
		}
		if (status < 200 && status != 101)
			return at;
		if (!has_body(c, status)) {
			c->phase = USPAN_NODE_PHASE_HEAD;
			c->ended = 1;
			return at;
		}
	}
	if (c->phase == USPAN_NODE_PHASE_LENGTH) {
		__u32 rest = len - at;

		if (c->left > rest) {
			c->left -= rest;
			return len;
		}
		at += c->left;
		c->left = 0;
		c->phase = USPAN_NODE_PHASE_HEAD;
		c->ended = 1;
		return at;
	}
	if (!pieces)
		c->touched_ktime_ns = bpf_ktime_get_ns();
	if (c->phase == USPAN_NODE_PHASE_CHUNKED) {
		if (pieces) {
			if (len >= at + 5 && is_last_chunk(address + at))
				c->ending = 1;
		} else if (len >= at + 5) {
			look_at_tail(c, address + len - 5);
		}
		return len;
	}
	if (pieces)
		c->touched_ktime_ns = bpf_ktime_get_ns();
	return len;
}

#endif
