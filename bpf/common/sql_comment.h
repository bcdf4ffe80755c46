/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The caller's trace in a comment that begins or ends a statement (https://google.github.io/sqlcommenter/spec/). */
#ifndef USPAN_SQL_COMMENT_H
#define USPAN_SQL_COMMENT_H

#include "span/counters.h"
#include "span/trace_text.h"

/* How much of either end is searched. sqlcommenter sorts its keys, and few come behind traceparent. */
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

/*
 * Position of the value of traceparent in a statement of `len` bytes. It searches `text`, which begins at position `from`. 0: there is
 * none. It looks in the comment that ends where the statement ends or, with `first`, in the first comment. Comment marks behind it show
 * that it is not in a literal. Global, so that the verifier walks it once and not per call. All positions are positions in the statement,
 * which the verifier does not know, so that it need not distinguish the turns of the loop.
 */
__noinline int find_traceparent(const struct comment_text *text, __u32 from, __u32 len, __u32 first)
{
	__u32 value = 0;

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
		if (mark == BYTES2('*', '/')) {
			if (first || position + 2 == len)
				return value;
			value = 0;
		} else if (mark == BYTES2('/', '*')) {
			value = 0;
		} else if (is_traceparent_key(at)) {
			value = position + 13;
		}
	}
	return 0;
}

/*
 * Takes over the trace that the comment of a statement of `len` bytes names. False if there is none. `max_len`, a constant, is the largest
 * possible length. COMMENT_MARGIN_BYTES behind it must be readable.
 */
static __always_inline bool comment_traceparent(const __u8 *statement, __u32 len, __u32 max_len, struct uspan_span_head *span)
{
	__u32 value = 0;

	if (len < TRACEPARENT_BYTES || len > max_len)
		return false;
	if (statement[len - 2] == '*' && statement[len - 1] == '/') {
		__u32 from = len > COMMENT_SEARCH_BYTES ? len - COMMENT_SEARCH_BYTES : 0;

		/* This never happens. It is for the verifier, because the compiler shows it no bounds otherwise. The same below. */
		barrier_var(from);
		if (from > max_len - COMMENT_SEARCH_BYTES)
			return false;
		value = find_traceparent((const struct comment_text *)(statement + from), from, len, 0);
	}
	if (!value && statement[0] == '/' && statement[1] == '*')
		value = find_traceparent((const struct comment_text *)statement, 0, len, 1);
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
