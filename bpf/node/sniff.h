/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which protocol a client speaks, by the first bytes that it writes. */
#ifndef USPAN_NODE_SNIFF_H
#define USPAN_NODE_SNIFF_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_endian.h>
#include "node/pg_stream.h"

/* A piece of a write: uv_buf_t. */
struct uv_buf {
	__u64 base;
	__u64 len;
};

#define FOUR(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

/*
 * The methods of the registry that RFC 9110 §16.1 keeps, and what else Node.js's own parser knows of HTTP, by four bytes. The end of the
 * line shows whether it is a request.
 */
static __always_inline bool begins_request(__u32 word)
{
	switch (word) {
	case FOUR('A', 'C', 'L', ' '): case FOUR('B', 'A', 'S', 'E'): case FOUR('B', 'I', 'N', 'D'):
	case FOUR('C', 'H', 'E', 'C'): case FOUR('C', 'O', 'N', 'N'): case FOUR('C', 'O', 'P', 'Y'):
	case FOUR('D', 'E', 'L', 'E'): case FOUR('G', 'E', 'T', ' '): case FOUR('H', 'E', 'A', 'D'):
	case FOUR('L', 'A', 'B', 'E'): case FOUR('L', 'I', 'N', 'K'): case FOUR('L', 'O', 'C', 'K'):
	case FOUR('M', 'E', 'R', 'G'): case FOUR('M', 'K', 'A', 'C'): case FOUR('M', 'K', 'C', 'A'):
	case FOUR('M', 'K', 'C', 'O'): case FOUR('M', 'K', 'R', 'E'): case FOUR('M', 'K', 'W', 'O'):
	case FOUR('M', 'O', 'V', 'E'): case FOUR('O', 'P', 'T', 'I'): case FOUR('O', 'R', 'D', 'E'):
	case FOUR('P', 'A', 'T', 'C'): case FOUR('P', 'O', 'S', 'T'): case FOUR('P', 'R', 'O', 'P'):
	case FOUR('P', 'U', 'T', ' '): case FOUR('Q', 'U', 'E', 'R'): case FOUR('R', 'E', 'B', 'I'):
	case FOUR('R', 'E', 'P', 'O'): case FOUR('S', 'E', 'A', 'R'): case FOUR('T', 'R', 'A', 'C'):
	case FOUR('U', 'N', 'B', 'I'): case FOUR('U', 'N', 'C', 'H'): case FOUR('U', 'N', 'L', 'I'):
	case FOUR('U', 'N', 'L', 'O'): case FOUR('U', 'P', 'D', 'A'): case FOUR('V', 'E', 'R', 'S'):
	case FOUR('M', '-', 'S', 'E'): case FOUR('N', 'O', 'T', 'I'): case FOUR('P', 'U', 'R', 'G'):
	case FOUR('S', 'U', 'B', 'S'): case FOUR('U', 'N', 'S', 'U'):
		return true;
	}
	return false;
}

/* "PRI * HTTP/2.0": RFC 9113 §3.4 */
static __always_inline bool begins_http2(__u32 word)
{
	return word == FOUR('P', 'R', 'I', ' ');
}

/* What a server of HTTP/2 writes first: SETTINGS, with no flags, on stream 0 (RFC 9113 §3.4, §6.5). The type is behind three bytes of length. */
static __always_inline bool begins_http2_server(const struct uv_buf *first, __u64 word)
{
	return (word & 0xffffffffff00ffffull) == 0x04000000ull && first->len >= 9;
}

#define HTTP_1_BEGINS 0x2e312f50545448ull    /* HTTP/1. */
#define LOSE_END 0x0a0d0a0d65736f6cull    /* lose\r\n\r\n */
#define MAX_REPLY_BYTES 96

/*
 * What Node's server writes by itself to a request that it cannot read, or does not want to: a status of 400, 408, 413 or 431, and
 * `Connection: close` (socketOnError() in lib/_http_server.js of the Node.js tree).
 */
static __always_inline bool is_own_reply(const struct uv_buf *first, __u64 word)
{
	__u64 end = 0;

	return (word & 0xffffffffffffffull) == HTTP_1_BEGINS && first->len > 32 && first->len <= MAX_REPLY_BYTES &&
	       bpf_probe_read_user(&end, sizeof(end), (void *)(first->base + first->len - sizeof(end))) == 0 && end == LOSE_END;
}

#define PROTOCOL_3_0 196608
#define PROTOCOL_3_2 196610

/* A connection's first write, if it is the startup message of PostgreSQL's protocol. */
static __always_inline bool begins_postgres(const struct uv_buf *first, __u64 word)
{
	__u32 len = bpf_ntohl((__u32)word), code = bpf_ntohl((__u32)(word >> 32));

	return len == first->len && len > 8 && (code == PROTOCOL_3_0 || code == PROTOCOL_3_2);
}

/*
 * Whether a piece of a write begins with a statement for PostgreSQL: with a Query, Parse or Bind that fills it, or that another message of
 * the protocol follows. This tells a connection that is older than the probes.
 */
static __always_inline bool begins_statement(const struct uv_buf *piece, __u64 word)
{
	__u64 end = (__u64)body_of(word) + MESSAGE_HEADER;
	__u8 type = word, next = 0;

	if ((type != 'Q' && type != 'P' && type != 'B') || !is_message_written(word) || piece->len < end)
		return false;
	if (piece->len == end)
		return true;
	return bpf_probe_read_user(&next, sizeof(next), (void *)(piece->base + end)) == 0 && is_letter_of(TYPES_WRITTEN, next);
}

/* The role whose program looks at a write that begins with the eight bytes, or the first five, in `word`. 0: none. */
static __always_inline __u32 sniff(const struct uv_buf *first, __u64 word)
{
	if (begins_request(word) || begins_http2(word) || begins_http2_server(first, word))
		return USPAN_NODE_ROLE_CLIENT;
	if (begins_postgres(first, word) || begins_statement(first, word))
		return USPAN_NODE_ROLE_PG;
	return 0;
}

#endif
