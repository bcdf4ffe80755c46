/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Messages of PostgreSQL's protocol, version 3, in either direction: a type, a length of four bytes that counts itself, and a body. A read
 * or a write can end anywhere in them. What is not such a message shows that the position in the stream is not known any more.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
#ifndef USPAN_NODE_PG_STREAM_H
#define USPAN_NODE_PG_STREAM_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MESSAGE_HEADER 5
#define HEADER_BITS (8 * MESSAGE_HEADER)
#define HEADER_HAVE_SHIFT 56
#define MAX_MESSAGE_BYTES 0x3fffffff /* PQ_LARGE_MESSAGE_LIMIT of PostgreSQL's libpq/libpq.h */
#define MAX_MESSAGES (1 << 16)       /* that one read or write is followed through: far more than libuv's 64 KB hold */

/* The bit of a type in a mask of types: all but '1', '2' and '3' are letters, which differ in their lower six bits. */
#define TYPE(letter) (1ull << ((letter) & 63))

#define TYPES_READ                                                                                                      \
	(TYPE('R') | TYPE('S') | TYPE('K') | TYPE('Z') | TYPE('E') | TYPE('N') | TYPE('A') | TYPE('T') | TYPE('D') |    \
	 TYPE('C') | TYPE('I') | TYPE('s') | TYPE('n') | TYPE('t') | TYPE('G') | TYPE('H') | TYPE('W') | TYPE('d') |    \
	 TYPE('c') | TYPE('V') | TYPE('v'))
#define TYPES_WRITTEN                                                                                                   \
	(TYPE('Q') | TYPE('P') | TYPE('B') | TYPE('E') | TYPE('D') | TYPE('C') | TYPE('H') | TYPE('S') | TYPE('F') |    \
	 TYPE('X') | TYPE('d') | TYPE('c') | TYPE('f') | TYPE('p'))

/* Bytes of a message's body, by its header in the lowest bytes. */
static __always_inline __u32 body_of(__u64 header)
{
	return bpf_ntohl((__u32)(header >> 8)) - 4;
}

static __always_inline bool is_letter_of(__u64 types, __u8 type)
{
	return type >> 6 == 1 && types >> (type & 63) & 1;
}

static __always_inline bool is_message_written(__u64 header)
{
	return is_letter_of(TYPES_WRITTEN, header) && body_of(header) <= MAX_MESSAGE_BYTES;
}

static __always_inline bool is_message_read(__u64 header)
{
	__u8 type = header;

	if (type == 'Z' && body_of(header) != 1)
		return false;
	return (is_letter_of(TYPES_READ, type) || (type >= '1' && type <= '3')) && body_of(header) <= MAX_MESSAGE_BYTES;
}

/* Whether nothing of a message has come yet. */
static __always_inline bool is_between_messages(const struct uspan_node_pg_stream *stream)
{
	return !stream->left && !stream->header;
}

/*
 * Goes on with a header of which only a part had come, or of which only a part comes, from the `len` bytes at `address`. Returns how many of
 * them belong to it, or 0 if they cannot be read. It is in `*whole` when it has all its bytes, which is 0 otherwise.
 */
static __always_inline __u32 join_header(struct uspan_node_pg_stream *stream, __u64 address, __u32 len, __u64 *whole)
{
	__u32 have = stream->header >> HEADER_HAVE_SHIFT, want = MESSAGE_HEADER - have, bytes = want < len ? want : len;
	__u64 part = 0, header;

	*whole = 0;
	barrier_var(bytes); /* the compiler knows that the test changes nothing; the verifier does not */
	if (have >= MESSAGE_HEADER || bytes > MESSAGE_HEADER || bpf_probe_read_user(&part, bytes, (void *)address))
		return 0;
	header = (stream->header & ((1ull << HEADER_BITS) - 1)) | part << 8 * have;
	if (bytes < want) {
		stream->header = header | (__u64)(have + bytes) << HEADER_HAVE_SHIFT;
	} else {
		stream->header = 0;
		*whole = header;
	}
	return bytes;
}

#endif
