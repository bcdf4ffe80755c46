/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Where a response ends: RFC 9112 §6. What a client reads is followed in http_read.h. */
#ifndef USPAN_NODE_RESPONSE_H
#define USPAN_NODE_RESPONSE_H

#include "node/http_head.h"

#define LAST_CHUNK 0x0a0d30   /* "0\r\n" */

static __always_inline __u32 status_of(const struct uspan_node_head *head)
{
	/* HTTP/1.1 200 */
	__u32 hundreds = (head->line[1] >> 8 & 0xff) - '0';
	__u32 tens = (head->line[1] >> 16 & 0xff) - '0';
	__u32 ones = (head->line[1] >> 24 & 0xff) - '0';

	return hundreds > 9 || tens > 9 || ones > 9 ? 0 : hundreds * 100 + tens * 10 + ones;
}

/* Whether the four bytes at `address` begin the end of a chunked body. */
static __always_inline bool is_last_chunk(__u64 address)
{
	__u32 word = 0;

	return bpf_probe_read_user(&word, sizeof(word), (void *)address) == 0 && (word & 0xffffff) == LAST_CHUNK;
}

/* Whether another protocol follows a response with this status. */
static __always_inline bool takes_over(const struct uspan_node_response *response, __u32 status)
{
	return status == 101 || (response->tunnel && status >= 200 && status < 300);
}

/* Decides by the head that was just scanned where the body of the current response ends. False: nothing follows the head. */
static __always_inline bool has_body(struct uspan_node_response *response, __u32 status)
{
	if (takes_over(response, status) || status == 204 || status == 304 || response->bodiless)
		return false;
	if (response->head.has_encoding) {
		response->phase = USPAN_NODE_PHASE_CHUNKED;
		return true;
	}
	if (!response->head.has_length) {
		response->phase = USPAN_NODE_PHASE_CLOSE;
		return true;
	}
	response->left = response->head.content_length;
	response->phase = USPAN_NODE_PHASE_LENGTH;
	return response->left != 0;
}

/* Keeps what its final head says. */
static __always_inline void keep_status(struct uspan_node_response *response, __u32 status)
{
	if (status >= 200 || status == 101) {
		response->status = status;
		response->proto_minor = (response->head.line[0] >> 56) - '0';
	}
}

/* Takes `len` bytes of a body of known length. Returns how many of them belong to it, and sets `ended` if it is complete with them. */
static __always_inline __u32 take_left(struct uspan_node_response *response, __u32 len)
{
	__u32 taken = response->left;

	if (response->left > len) {
		response->left -= len;
		return len;
	}
	response->left = 0;
	response->ended = 1;
	return taken;
}

/*
 * Follows a response that a server writes through `len` more bytes at `address`, a piece as Node's server made it. Returns how many of them
 * belong to it, and sets `ended` when it has ended. The end of a chunked body is a piece of its own, or follows the head at once. Then
 * `ending` is set for what may be that end, and the next piece decides.
 */
__noinline int follow_response(struct uspan_node_response *response, struct hit_scratch *scratch, __u64 address, __u32 len)
{
	__u32 at = 0, status;

	if (!response || !scratch)
		return 0;
	response->ended = 0;
	if (response->phase <= USPAN_NODE_PHASE_HEAD_REST) {
		bool fresh = response->phase == USPAN_NODE_PHASE_HEAD;

		at = scan_head(&response->head, scratch, address, len, fresh);
		if ((response->head.line[0] & SEVEN_BYTES) != HTTP_1_DOT)
			return len;
		status = status_of(&response->head);
		if (status == 0)
			return len;
		keep_status(response, status);
		response->phase = USPAN_NODE_PHASE_HEAD;
		if (at == 0) {
			response->phase = USPAN_NODE_PHASE_HEAD_REST;
			return len;
		}
		if (status < 200 && status != 101)
			return at;
		if (!has_body(response, status)) {
			response->phase = USPAN_NODE_PHASE_HEAD;
			response->ended = 1;
			return at;
		}
	}
	if (response->phase == USPAN_NODE_PHASE_LENGTH) {
		at += take_left(response, len - at);
		if (response->ended)
			response->phase = USPAN_NODE_PHASE_HEAD;
		return at;
	}
	if (response->phase == USPAN_NODE_PHASE_CLOSE)
		response->touched_ktime_ns = bpf_ktime_get_ns();
	else if (len >= at + 5 && is_last_chunk(address + at))
		response->ending = 1;
	return len;
}

#endif
