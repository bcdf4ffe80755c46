/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Fields of a span's record, one behind the other: see bpf/events/record.h. */
#ifndef USPAN_SPAN_FIELDS_H
#define USPAN_SPAN_FIELDS_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/user_memory.h"

#define FIELD_HEAD sizeof(struct uspan_field_head)
#define NUMBERS_BYTES 64 /* texts leave this free; a number without room is left out */

/* Reads user memory behind a field's head, if at least `room` bytes are free there. */
#define READ_WITHIN(room)                                                                          \
	if (at <= USPAN_FIELDS_BYTES - NUMBERS_BYTES - FIELD_HEAD - (room) && bytes <= (room))       \
		error = read_user(span->fields + at + FIELD_HEAD, bytes, from);                      \
	else

/* Keeps where a text is, so that it is read at the end. False: there is no room for another. */
static __always_inline bool put_late(struct uspan_open_span *span, __u64 from, __u64 len, struct uspan_field_head head,
				     enum uspan_late_from kind)
{
	struct uspan_late_text *text;
	__u32 late = span->late;

	if (late >= USPAN_LATE_TEXTS)
		return false;
	text = &span->late_text[late];
	text->ptr = from;
	text->len = len;
	text->field = head.field;
	text->marks = head.marks;
	text->from = kind;
	span->late = late + 1;
	return true;
}

/*
 * Copies a text of `len` bytes. The caller has cut it if `marks` say so. If the record has no room for it, it is read at the end. The
 * verifier can bound two numbers, but not their sum, hence the size classes. Global, so that the verifier walks it once. Returns 1 if it
 * could not be read, which the field says.
 */
__noinline int put_text(struct uspan_open_span *span, __u64 from, __u32 len, __u32 field_and_marks)
{
	struct uspan_field_head head = { .field = field_and_marks, .marks = field_and_marks >> 8, .len = len };
	/*
	 * A number that is added to a pointer is as wide as a register, but a helper's length is not. The verifier of Linux 6.1 carries no
	 * bound from one to the other.
	 */
	__u64 at;
	__u32 bytes = len;
	long error = 0;

	if (!span)
		return 0;
	at = span->used;
	barrier_var(at);
	barrier_var(bytes);
	READ_WITHIN(512)
	READ_WITHIN(384)
	READ_WITHIN(256)
	READ_WITHIN(128)
	READ_WITHIN(64)
	READ_WITHIN(16)
	{
		if (put_late(span, from, len, head, USPAN_LATE_USER))
			return 0;
		error = 1;
		if (at > USPAN_FIELDS_BYTES - FIELD_HEAD)
			return 0;
	}
	if (error) {
		head.marks |= USPAN_FIELD_UNREADABLE;
		head.len = len = 0;
	}
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = at + FIELD_HEAD + ((len + 3) & ~3u);
	return error != 0;
}

/* Reads a string behind a field's head, as far as room for `room` bytes goes. */
#define READ_STRING_WITHIN(room)                                                                   \
	if (at <= USPAN_FIELDS_BYTES - NUMBERS_BYTES - FIELD_HEAD - (room)) {                        \
		if (size > (room))                                                                   \
			size = (room);                                                               \
		bytes = read_user_string(span->fields + at + FIELD_HEAD, size, from);                \
	} else

/* The same for a string that ends at its NUL, up to `max_bytes`. If it is longer than the room, it is read at the end. */
__noinline int put_string(struct uspan_open_span *span, __u64 from, __u32 max_bytes, __u32 field)
{
	struct uspan_field_head head = { .field = field };
	__u64 at, len = 0; /* wide and narrow as in put_text() */
	__u32 size;
	long bytes = 0;
	bool more;

	if (!span)
		return 0;
	at = span->used;
	/* One for the NUL, and one to detect a string that is longer. */
	size = max_bytes + 2;
	barrier_var(at);
	barrier_var(size);
	READ_STRING_WITHIN(512)
	READ_STRING_WITHIN(384)
	READ_STRING_WITHIN(260)
	READ_STRING_WITHIN(64)
	{
		size = 0;
		if (at > USPAN_FIELDS_BYTES - FIELD_HEAD)
			return 0;
	}
	more = bytes == (long)size && size < max_bytes + 2;
	if (more && put_late(span, from, max_bytes, head, USPAN_LATE_STRING))
		return 0;
	if (bytes <= 0)
		head.marks |= USPAN_FIELD_UNREADABLE;
	else
		len = bytes - 1;
	if (len > max_bytes) {
		len = max_bytes;
		more = true;
	}
	if (more && len)
		head.marks |= USPAN_FIELD_CUT;
	head.len = len;
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = at + FIELD_HEAD + ((len + 3) & ~3u);
	return bytes <= 0;
}

/*
 * Copies `len` bytes from offset `from` of the entry's scratch memory, where they were read together with others. Put texts in the order in
 * which they lie there, because fields grow into the scratch memory from its front. What has no room is cut.
 */
__noinline int put_scratch(struct uspan_open_span *span, __u32 from, __u32 len, __u32 field_and_marks)
{
	struct uspan_field_head head = { .field = field_and_marks, .marks = field_and_marks >> 8 };
	__u64 at, source = USPAN_SCRATCH_AT + from;
	__u32 room;

	if (!span)
		return 0;
	at = span->used;
	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES - NUMBERS_BYTES - FIELD_HEAD)
		return 0;
	room = USPAN_FIELDS_BYTES - NUMBERS_BYTES - FIELD_HEAD - at;
	if (len > room) {
		len = room;
		head.marks |= USPAN_FIELD_CUT;
	}
	head.len = len;
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = at + FIELD_HEAD + ((len + 3) & ~3u);
	at += FIELD_HEAD;
	for (__u32 i = 0; i < USPAN_RAW_BYTES / 8; i++) {
		__u64 to = at + i * 8, word_at = source + i * 8;

		barrier_var(to);
		barrier_var(word_at);
		if (i * 8 >= len || to > USPAN_FIELDS_BYTES - 8 || word_at > USPAN_FIELDS_BYTES - 8)
			break;
		*(__u64 *)(span->fields + to) = *(__u64 *)(span->fields + word_at);
	}
	return 0;
}

static __always_inline void span_put_scratch(struct uspan_open_span *span, __u32 field, __u32 from, __u32 len, __u32 max_bytes)
{
	if (len > max_bytes)
		put_scratch(span, from, max_bytes, field | USPAN_FIELD_CUT << 8);
	else if (len)
		put_scratch(span, from, len, field);
}

/* A text of the process, up to `max_bytes`. An empty one is left out. */
static __always_inline void span_put(struct uspan_open_span *span, __u32 field, struct uspan_text_ref text, __u32 max_bytes)
{
	if (text.len > max_bytes)
		put_text(span, text.ptr, max_bytes, field | USPAN_FIELD_CUT << 8);
	else if (text.len)
		put_text(span, text.ptr, text.len, field);
}

/* A string of the process, which ends at its NUL, up to `max_bytes`. */
static __always_inline void span_put_string(struct uspan_open_span *span, __u32 field, __u64 from, __u32 max_bytes)
{
	put_string(span, from, max_bytes, field);
}

/* A field without bytes, which says why (enum uspan_field_mark). */
static __always_inline void span_put_mark(struct uspan_open_span *span, __u32 field, __u8 mark)
{
	struct uspan_field_head head = { .field = field, .marks = mark };
	__u64 at = span->used;

	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES - FIELD_HEAD)
		return;
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = at + FIELD_HEAD;
}

/* A field that is unreadable. */
static __always_inline void span_put_unreadable(struct uspan_open_span *span, __u32 field)
{
	span_put_mark(span, field, USPAN_FIELD_UNREADABLE);
}

static __always_inline void span_put_number(struct uspan_open_span *span, __u32 field, __u32 value)
{
	struct {
		struct uspan_field_head head;
		__u32 value;
	} number = { .head = { .field = field, .len = 4 }, .value = value };
	__u64 at = span->used;

	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES - sizeof(number))
		return;
	__builtin_memcpy(span->fields + at, &number, sizeof(number));
	span->used = at + sizeof(number);
}

/* A number of 8 bytes. */
static __always_inline void span_put_u64(struct uspan_open_span *span, __u32 field, __u64 value)
{
	struct {
		struct uspan_field_head head;
		__u32 value[2];
	} number = { .head = { .field = field, .len = 8 }, .value = { value, value >> 32 } };
	__u64 at = span->used;

	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES - sizeof(number))
		return;
	__builtin_memcpy(span->fields + at, &number, sizeof(number));
	span->used = at + sizeof(number);
}

/* Bytes of the kernel's memory: a session's name, or what is kept of an earlier span. `room` is a constant, and `len` is not larger. */
#define span_put_kernel(span, field_number, from, room, length)                                                    \
	do {                                                                                                       \
		__u64 at_ = (span)->used; /* wide and narrow as in put_text() */                                   \
		__u32 len_ = (length);                                                                             \
		struct uspan_field_head head_ = { .field = (field_number), .len = len_ };                          \
		barrier_var(at_);                                                                                  \
		barrier_var(len_);                                                                                 \
		if (at_ <= USPAN_FIELDS_BYTES - FIELD_HEAD - (room) && len_ <= (room) &&                           \
		    bpf_probe_read_kernel((span)->fields + at_ + FIELD_HEAD, len_, from) == 0) {                   \
			*(struct uspan_field_head *)((span)->fields + at_) = head_;                                \
			(span)->used = at_ + FIELD_HEAD + ((len_ + 3) & ~3u);                                      \
		}                                                                                                  \
	} while (0)

#endif
