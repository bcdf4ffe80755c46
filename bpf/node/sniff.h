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

/* The methods of RFC 9110, PATCH and QUERY, by four bytes. The end of the line shows whether it is a request. */
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
	if (begins_request(word) || begins_http2(word))
		return USPAN_NODE_ROLE_CLIENT;
	if (begins_postgres(first, word) || begins_statement(first, word))
		return USPAN_NODE_ROLE_PG;
	return 0;
}

#endif
