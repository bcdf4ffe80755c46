/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Texts of Node.js's spans. They are copied when a span begins, because the program may free them then. What an entry has no room for is
 * kept in another map until the end.
 */
#ifndef USPAN_NODE_FIELDS_H
#define USPAN_NODE_FIELDS_H

#include "node/hit.h"

#define END_BYTES 64 /* of an entry's room stay free for what is known only at the end */
#define PEER_FIELD_BYTES (FIELD_HEAD + sizeof(struct uspan_node_peer))

/* Fields of spans with long fields. Key: that of the span. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_open_span_key);
	__type(value, struct uspan_node_long);
} node_long_fields SEC(".maps");

/* Copies from scratch->text to an entry that has room for at least `room` bytes. */
#define COPY_WITHIN(room)                                                                                    \
	if (at <= USPAN_FIELDS_BYTES - END_BYTES - FIELD_HEAD - (room) && bytes <= (room) &&                  \
	    from <= TEXT_BYTES - (room)) {                                                                    \
		bpf_probe_read_kernel(span->fields + at + FIELD_HEAD, bytes, scratch->text + from);           \
		*(struct uspan_field_head *)(span->fields + at) = head;                                       \
		span->used = at + FIELD_HEAD + ((len + 3) & ~3u);                                             \
		return 0;                                                                                     \
	}

/* The same to the long fields. */
#define COPY_LONG_WITHIN(room)                                                                               \
	if (at <= USPAN_NODE_LONG_BYTES - FIELD_HEAD - (room) && bytes <= (room) && from <= TEXT_BYTES - (room)) { \
		bpf_probe_read_kernel(scratch->long_fields.fields + at + FIELD_HEAD, bytes, scratch->text + from); \
		*(struct uspan_field_head *)(scratch->long_fields.fields + at) = head;                        \
		scratch->long_used = at + FIELD_HEAD + ((len + 3) & ~3u);                                     \
		return 0;                                                                                     \
	}

/* Puts `len` bytes of scratch->text into a span. Global, so that the verifier, which can bound numbers but not their sum, does it once. */
__noinline int put_scratch_text(struct uspan_open_span *span, struct hit_scratch *scratch, __u32 text_at, __u32 len, __u32 field_and_marks)
{
	struct uspan_field_head head = { .field = field_and_marks, .marks = field_and_marks >> 8, .len = len };
	__u64 at, from = text_at;
	__u32 bytes = len; /* wide and narrow as in put_text() */

	if (!span || !scratch)
		return 0;
	at = span->used;
	barrier_var(at);
	barrier_var(from);
	barrier_var(bytes);
	COPY_WITHIN(64)
	COPY_WITHIN(256)
	COPY_WITHIN(512)
	at = scratch->long_used;
	barrier_var(at);
	COPY_LONG_WITHIN(256)
	COPY_LONG_WITHIN(512)
	COPY_LONG_WITHIN(1024)
	COPY_LONG_WITHIN(2048)
	return 0;
}

/* Before the first text of a span. */
static __always_inline void begin_texts(struct hit_scratch *scratch)
{
	scratch->long_used = 0;
}

/* After the last text: keeps what is long. Returns whether something is. Without room for it, `field` says that it is missing. */
static __always_inline bool keep_long(struct uspan_open_span *span, struct hit_scratch *scratch,
				      const struct uspan_open_span_key *key, __u32 field)
{
	if (!scratch->long_used)
		return false;
	scratch->long_fields.used = scratch->long_used;
	if (bpf_map_update_elem(&node_long_fields, key, &scratch->long_fields, BPF_ANY) == 0)
		return true;
	span_put_unreadable(span, field);
	return false;
}

/* Sends a finished record with long fields, which a buffer puts together. */
__noinline int send_long(struct uspan_open_span *span, struct uspan_node_long *rest)
{
	struct uspan_large *buffer;
	__u64 used;
	__u32 bytes, total;

	if (!span || !rest)
		return 0;
	buffer = take_large();
	if (!buffer) {
		count(USPAN_COUNTER_LOST_RING_FULL);
		return 0;
	}
	used = span->used;
	bytes = rest->used;
	barrier_var(used);
	barrier_var(bytes);
	if (used <= USPAN_FIELDS_BYTES && bytes <= USPAN_NODE_LONG_BYTES) {
		bpf_probe_read_kernel(buffer->bytes, sizeof(span->head) + USPAN_FIELDS_BYTES, &span->head);
		bpf_probe_read_kernel(buffer->bytes + sizeof(span->head) + used, bytes, rest->fields);
		total = sizeof(span->head) + used + bytes;
		barrier_var(total);
		if (total <= USPAN_LARGE_BYTES)
			submit(buffer->bytes, total);
	}
	give_large(buffer);
	return 0;
}

/* Sends a finished record. `has_long` is what keep_long() returned. */
static __always_inline void send(struct uspan_open_span *span, const struct uspan_open_span_key *key, bool has_long)
{
	struct uspan_node_long *rest = has_long ? bpf_map_lookup_elem(&node_long_fields, key) : 0;

	if (rest)
		send_long(span, rest);
	else
		span_send(span);
}

/* The peer as the first field of an entry: its bytes, or 0 if it is unknown. */
static __always_inline __u32 put_peer_first(struct uspan_open_span *span, const struct uspan_node_peer *peer, __u32 field)
{
	struct uspan_field_head head = { .field = field, .len = sizeof(*peer) };

	if (!peer->family)
		return 0;
	__builtin_memcpy(span->fields, &head, sizeof(head));
	__builtin_memcpy(span->fields + FIELD_HEAD, peer, sizeof(*peer));
	return PEER_FIELD_BYTES;
}

/* An open span gets no end, because what is known of its connection is no longer certain. `has_long` as above. */
static __always_inline void forget(struct uspan_open_span *span, const struct uspan_open_span_key *key, bool has_long)
{
	if (!span->open)
		return;
	span->open = 0;
	count(span->sampled ? USPAN_COUNTER_LOST_DESYNCHRONISED : USPAN_COUNTER_SAMPLED_OUT);
	if (has_long)
		bpf_map_delete_elem(&node_long_fields, key);
}

#endif
