/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a client reads of responses, cut anywhere: heads of which a read has only a part, and bodies in chunks (RFC 9112 §7.1). Both go byte
 * by byte, but for the data of chunks. Most heads come whole, and scan_head() has taken them.
 */
#ifndef USPAN_NODE_HTTP_READ_H
#define USPAN_NODE_HTTP_READ_H

#include "node/response.h"

#define MAX_READ_TURNS (1 << 18) /* far more than libuv's 64 KB need */
#define MAX_CHUNK_BYTES (1ull << 56)

/* Names are searched up to the byte that decides: the colon, and the last but one of transfer-encoding. */
static const __u8 content_length_name[16] = "content-length:";
static const __u8 transfer_encoding_name[16] = "transfer-encodin";

#define CONTENT_LENGTH_DECIDES 14
#define TRANSFER_ENCODING_DECIDES 15

/* One byte of a head. Returns whether it is the last. */
static __always_inline bool take_head_byte(struct uspan_node_response *response, __u8 byte)
{
	struct uspan_node_head *head = &response->head;
	__u32 at = head->in_line, total = head->scan_next;
	__u8 lower = byte | 0x20;

	if (total < sizeof(head->line))
		((__u8 *)head->line)[total] = byte;
	if (total < 255)
		head->scan_next++;
	if (byte == '\n') {
		head->in_line = 0;
		return at == 0;
	}
	if (byte == '\r')
		return false;
	if (at < 255)
		head->in_line++;
	if (at == 0) {
		response->name = lower == 'c' ? USPAN_NODE_NAME_LENGTH : lower == 't' ? USPAN_NODE_NAME_ENCODING : USPAN_NODE_NAME_OTHER;
	} else if (response->name == USPAN_NODE_NAME_LENGTH) {
		if (at > CONTENT_LENGTH_DECIDES || lower != content_length_name[at & 15]) {
			response->name = USPAN_NODE_NAME_OTHER;
		} else if (at == CONTENT_LENGTH_DECIDES) {
			response->name = USPAN_NODE_NAME_LENGTH_VALUE;
			head->content_length = 0;
			head->has_length = 1;
		}
	} else if (response->name == USPAN_NODE_NAME_ENCODING) {
		if (lower != transfer_encoding_name[at & 15])
			response->name = USPAN_NODE_NAME_OTHER;
		else if (at == TRANSFER_ENCODING_DECIDES)
			head->has_encoding = 1;
	} else if (response->name == USPAN_NODE_NAME_LENGTH_VALUE) {
		if (byte >= '0' && byte <= '9')
			head->content_length = head->content_length * 10 + byte - '0';
	}
	return false;
}

/* One byte of a body in chunks that is no data. Returns whether it is the last. Sets `lost` if there can be no such byte. */
static __always_inline bool take_chunk_byte(struct uspan_node_response *response, __u8 byte)
{
	__u8 lower = byte | 0x20;
	__u64 digit = byte >= '0' && byte <= '9' ? byte - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;

	switch (response->chunk) {
	case USPAN_NODE_CHUNK_SIZE:
		if (digit < 16 && response->left < MAX_CHUNK_BYTES)
			response->left = response->left * 16 + digit;
		else if (byte == ';' || byte == ' ' || byte == '\t')
			response->chunk = USPAN_NODE_CHUNK_EXTENSION;
		else if (byte == '\n')
			response->chunk = response->left ? USPAN_NODE_CHUNK_DATA : USPAN_NODE_CHUNK_TRAILERS;
		else if (byte != '\r')
			response->lost = 1;
		break;
	case USPAN_NODE_CHUNK_EXTENSION:
		if (byte == '\n')
			response->chunk = response->left ? USPAN_NODE_CHUNK_DATA : USPAN_NODE_CHUNK_TRAILERS;
		break;
	case USPAN_NODE_CHUNK_END:
		if (byte == '\n')
			response->chunk = USPAN_NODE_CHUNK_SIZE;
		else if (byte != '\r')
			response->lost = 1;
		break;
	case USPAN_NODE_CHUNK_TRAILERS:
		if (byte == '\n' && !response->head.in_line)
			return true;
		if (byte != '\r')
			response->head.in_line = byte != '\n';
		break;
	}
	return false;
}

/* Bytes of a read. */
struct bytes_read {
	struct uspan_node_response *response;
	struct hit_scratch *scratch;
	__u64 address;
	__u32 len;
	__u32 at;
	__u32 window_at;
	__u32 window_len;
	__u32 done;     /* the head, or the body, is complete */
	__u32 reserved;
};

static long take_byte(__u32 index __attribute__((unused)), struct bytes_read *bytes)
{
	struct uspan_node_response *response = bytes->response;
	bool in_chunks = response->phase == USPAN_NODE_PHASE_CHUNKED;
	__u32 left = bytes->len - bytes->at, some = left < WINDOW_BYTES ? left : WINDOW_BYTES;
	__u64 at = bytes->at - bytes->window_at;

	if (bytes->at >= bytes->len)
		return 1;
	if (in_chunks && response->chunk == USPAN_NODE_CHUNK_DATA) {
		__u32 data = response->left < left ? response->left : left;

		bytes->at += data;
		response->left -= data;
		if (!response->left)
			response->chunk = USPAN_NODE_CHUNK_END;
		return 0;
	}
	barrier_var(at);
	if (at >= WINDOW_BYTES || at >= bytes->window_len) {
		barrier_var(some);
		if (some > WINDOW_BYTES ||
		    bpf_probe_read_user(bytes->scratch->text, some, (void *)(bytes->address + bytes->at))) {
			response->lost = 1;
			return 1;
		}
		bytes->window_at = bytes->at;
		bytes->window_len = some;
		at = 0;
	}
	bytes->at++;
	bytes->done = in_chunks ? take_chunk_byte(response, bytes->scratch->text[at]) : take_head_byte(response, bytes->scratch->text[at]);
	return bytes->done || response->lost;
}

/* Returns how many of the bytes belong to the head, or to the body in chunks. Sets `ended` if it is complete with them. */
static __always_inline __u32 take_bytes(struct uspan_node_response *response, struct hit_scratch *scratch, __u64 address, __u32 len)
{
	struct bytes_read bytes = { .response = response, .scratch = scratch, .address = address, .len = len };

	bpf_loop(MAX_READ_TURNS, take_byte, &bytes, 0);
	response->ended = bytes.done;
	if (!bytes.done && bytes.at < len)
		response->lost = 1;
	return bytes.at;
}

/* Whether what has come of a head can be that of a response. */
static __always_inline bool begins_response(const struct uspan_node_head *head, __u32 bytes)
{
	__u64 known = bytes >= 7 ? SEVEN_BYTES : (1ull << 8 * bytes) - 1;

	return ((head->line[0] ^ HTTP_1_DOT) & known) == 0 && (bytes < 12 || status_of(head));
}

/* Goes on with a head of which an earlier read had the beginning, or of which this read has no more than the beginning. */
static __always_inline __u32 take_head(struct uspan_node_response *response, struct hit_scratch *scratch, __u64 address, __u32 len, bool fresh)
{
	struct uspan_node_head *head = &response->head;
	__u32 taken;

	if (fresh) {
		head->line[0] = head->line[1] = 0;
		head->content_length = 0;
		head->in_line = head->has_length = head->has_encoding = 0;
		head->scan_next = 0;
	}
	response->phase = USPAN_NODE_PHASE_HEAD_REST;
	taken = take_bytes(response, scratch, address, len);
	if (!begins_response(head, head->scan_next))
		response->lost = 1;
	return taken;
}

/*
 * Follows the response through `len` more bytes at `address`. Returns how many of them belong to it. Sets `ended` when it has ended, and
 * `lost` if it is no response of HTTP/1.
 */
__noinline int follow_read(struct uspan_node_response *response, struct hit_scratch *scratch, __u64 address, __u32 len)
{
	__u32 at = 0, status;

	if (!response || !scratch)
		return 0;
	response->ended = 0;
	if (response->phase <= USPAN_NODE_PHASE_HEAD_REST) {
		if (response->phase == USPAN_NODE_PHASE_HEAD) {
			at = scan_head(&response->head, scratch, address, len, 1);
			response->ended = at != 0;
			if (!at)
				at = take_head(response, scratch, address, len, true);
			else if (!begins_response(&response->head, at))
				response->lost = 1;
		} else {
			at = take_head(response, scratch, address, len, false);
		}
		if (response->lost)
			return len;
		status = status_of(&response->head);
		keep_status(response, status);
		if (!response->ended)
			return len;
		response->phase = USPAN_NODE_PHASE_HEAD;
		response->ended = 0;
		if (status < 200 && status != 101)
			return at;
		if (!has_body(response, status)) {
			response->phase = USPAN_NODE_PHASE_HEAD;
			response->ended = 1;
			return at;
		}
		response->chunk = USPAN_NODE_CHUNK_SIZE;
		if (response->phase == USPAN_NODE_PHASE_CHUNKED) {
			response->left = 0;
			response->head.in_line = 0;
		}
	}
	response->touched_ktime_ns = bpf_ktime_get_ns();
	if (response->phase == USPAN_NODE_PHASE_LENGTH) {
		at += take_left(response, len - at);
	} else if (response->phase == USPAN_NODE_PHASE_CHUNKED) {
		at += take_bytes(response, scratch, address + at, len - at);
	} else {
		at = len;
	}
	if (response->ended)
		response->phase = USPAN_NODE_PHASE_HEAD;
	return at;
}

#endif
