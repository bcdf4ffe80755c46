/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The caller's trace in the comments that begin or end a statement (https://google.github.io/sqlcommenter/spec/). */
#ifndef USPAN_SQL_COMMENT_H
#define USPAN_SQL_COMMENT_H

#include "span/counters.h"
#include "span/trace_text.h"

/* How much of a comment is searched. sqlcommenter sorts its keys, and few come behind traceparent. */
#define COMMENT_SEARCH_BYTES 512
/* Readable memory that must follow the statement. It is not searched, and may hold anything. */
#define COMMENT_MARGIN_BYTES 64

/* An end of a statement. */
struct comment_text {
	__u8 bytes[COMMENT_SEARCH_BYTES + COMMENT_MARGIN_BYTES];
};

#define BYTES2(a, b) ((a) | (b) << 8)
#define BYTES8(a, b, c, d, e, f, g, h)                                                                                   \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 |     \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline bool is_traceparent_key(const __u8 *text)
{
	return *(__u64 *)text == BYTES8('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r') &&
	       *(__u64 *)(text + 5) == BYTES8('p', 'a', 'r', 'e', 'n', 't', '=', '\'');
}

/* White space, and what ends a statement. Many write `sql + comment + ";"`. */
static __always_inline bool is_blank(__u8 byte)
{
	return byte == ' ' || byte == ';' || (byte >= '\t' && byte <= '\r');
}

/* How many comments are looked at, at either end. */
#define COMMENTS 3
#define NO_COMMENT 8

/* How many blanks stand before a comment that begins in the first seven of these bytes. NO_COMMENT if none does. */
static __always_inline __u32 blanks_before(__u64 bytes)
{
	for (__u32 i = 0; i < 7; i++, bytes >>= 8) {
		if ((__u16)bytes == BYTES2('/', '*'))
			return i;
		if (!is_blank(bytes))
			break;
	}
	return NO_COMMENT;
}

/* The same for blanks behind a comment that ends in the last seven. */
static __always_inline __u32 blanks_behind(__u64 bytes)
{
	for (__u32 i = 0; i < 7; i++, bytes <<= 8) {
		if (bytes >> 48 == BYTES2('*', '/'))
			return i;
		if (!is_blank(bytes >> 56))
			break;
	}
	return NO_COMMENT;
}

/* Whether a statement may name its parent. These are its first and last eight bytes. */
static __always_inline bool may_name_parent(__u64 first, __u64 last)
{
	return blanks_behind(last) != NO_COMMENT || blanks_before(first) != NO_COMMENT;
}

/*
 * Looks for the value of traceparent in a comment. With `first`, that is the comment with which `text` begins. Otherwise, it is the one
 * that ends at `len`, and begins in `text`, or before it. `text` begins at position `from` of the statement.
 *
 * Returns the position of the value, or 0. Above 16 bits: where the comment ends or, without `first`, where it begins. 0: not here. Global,
 * so that the verifier walks it once and not per call. All positions are positions in the statement, which the verifier does not know, so
 * that it need not distinguish the turns of the loop.
 */
__noinline int look_at_comment(const struct comment_text *text, __u32 from, __u32 len, __u32 first)
{
	__u32 value = 0, begin = 0;

	if (!text)
		return 0;
	for (__u32 i = 0; i < COMMENT_SEARCH_BYTES; i++) {
		const __u8 *at = text->bytes + i;
		__u32 position = from + i;
		__u16 mark;

		/* Otherwise the compiler compares `i`. */
		barrier_var(position);
		if (position + 2 > len)
			return 0;
		mark = *(__u16 *)at;
		/* The star of its begin does not end the comment. */
		if (mark == BYTES2('*', '/') && !(first && i == 1)) {
			if (first)
				return (position + 2) << 16 | value;
			if (position + 2 == len)
				return begin << 16 | value;
			value = 0;
		} else if (mark == BYTES2('/', '*')) {
			value = 0;
			begin = position;
		} else if (is_traceparent_key(at)) {
			value = position + 13;
		}
	}
	return 0;
}

/*
 * Position of the value of traceparent in the last comments of a statement, or 0. Only blanks stand between these and behind them, so
 * that none is in a literal: what ends the literal would come before the next comment.
 */
static __always_inline __u32 last_traceparent(const __u8 *statement, __u32 len, __u32 max_len)
{
	__u32 end = len;

	for (__u32 i = 0; i < COMMENTS && end >= TRACEPARENT_BYTES; i++) {
		__u32 at = end - sizeof(__u64), blanks, from, found;

		/* It is never more. This is for the verifier, because the compiler shows it no bounds otherwise. The same below. */
		barrier_var(at);
		if (at > max_len)
			break;
		blanks = blanks_behind(*(__u64 *)(statement + at));
		if (blanks == NO_COMMENT)
			break;
		end -= blanks;
		from = end > COMMENT_SEARCH_BYTES ? end - COMMENT_SEARCH_BYTES : 0;
		barrier_var(from);
		if (from > max_len - COMMENT_SEARCH_BYTES)
			break;
		found = look_at_comment((const struct comment_text *)(statement + from), from, end, 0);
		if (found & 0xffff)
			return found & 0xffff;
		end = found >> 16;
	}
	return 0;
}

/* The same for the comments with which it begins. */
static __always_inline __u32 first_traceparent(const __u8 *statement, __u32 len, __u32 max_len)
{
	__u32 at = 0;

	for (__u32 i = 0; i < COMMENTS; i++) {
		__u32 blanks, found;

		barrier_var(at);
		if (at > max_len - COMMENT_SEARCH_BYTES)
			break;
		blanks = blanks_before(*(__u64 *)(statement + at));
		if (blanks == NO_COMMENT)
			break;
		at += blanks;
		barrier_var(at);
		if (at > max_len - COMMENT_SEARCH_BYTES)
			break;
		found = look_at_comment((const struct comment_text *)(statement + at), at, len, 1);
		if (found & 0xffff)
			return found & 0xffff;
		at = found >> 16;
		if (!at)
			break;
	}
	return 0;
}

/*
 * Takes over the trace that a comment of a statement of `len` bytes names. False if there is none. `max_len`, a constant, is the largest
 * possible length. COMMENT_MARGIN_BYTES behind it must be readable.
 */
static __always_inline bool comment_traceparent(const __u8 *statement, __u32 len, __u32 max_len, struct uspan_span_head *span)
{
	__u32 value;

	if (len < TRACEPARENT_BYTES || len > max_len)
		return false;
	value = last_traceparent(statement, len, max_len);
	if (!value)
		value = first_traceparent(statement, len, max_len);
	if (!value)
		return false;
	barrier_var(value);
	if (value > max_len)
		return false;
	/* The end of a comment follows in the statement. It has no digits, so what is behind it cannot pass for a part of the id. */
	statement += value;
	if (statement[TRACEPARENT_BYTES] == '\'' && parse_trace(span, (const struct trace_text *)statement, TRACEPARENT_BYTES))
		return true;
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

#endif
