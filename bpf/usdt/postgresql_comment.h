/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The caller's trace in a comment that ends or begins a statement (https://google.github.io/sqlcommenter/spec/). */
#ifndef USPAN_POSTGRESQL_COMMENT_H
#define USPAN_POSTGRESQL_COMMENT_H

#include "common/traceparent.h"

/* How much of either end is searched: sqlcommenter sorts its keys, and few come behind traceparent. */
#define COMMENT_SEARCH_BYTES 512

/* Where the statement begins in the session's texts: behind the names, at a multiple of 4. */
static __always_inline __u32 statement_at(const struct uspan_postgresql_backend *backend)
{
	return (backend->names_len + 3) & (USPAN_POSTGRESQL_NAMES_BYTES - 4);
}

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
 * Position in the statement of the value of traceparent, looked for from position `from` on; 0: none. In the comment that ends where the
 * statement ends, or, `first`, in the first one. What looks like one in a literal is told by the comment marks that follow it.
 * Global, so that the verifier looks at it once and not per call.
 */
__noinline int find_traceparent(struct uspan_postgresql_backend *backend, __u32 from, __u32 first)
{
	__u32 statement, len, value = 0;

	if (!backend)
		return 0;
	statement = statement_at(backend);
	len = backend->event.text_len[USPAN_POSTGRESQL_STATEMENT];
	for (__u32 i = 0; i < COMMENT_SEARCH_BYTES; i++) {
		__u32 position = from + i;
		const __u8 *text;
		__u16 mark;

		if (position + 2 > len)
			return 0;
		/* Else the compiler moves the mask to where the verifier does not see it. */
		barrier_var(position);
		text = backend->text + statement + (position & (USPAN_STATEMENT_MAX_BYTES - 1));
		mark = *(__u16 *)text;
		if (mark == BYTES2('*', '/')) {
			if (first || position + 2 == len)
				return value;
			value = 0;
		} else if (mark == BYTES2('/', '*')) {
			value = 0;
		} else if (is_traceparent_key(text)) {
			value = position + 13;
		}
	}
	return 0;
}

/* Takes the comment's trace over; false when there is none. */
static __always_inline bool comment_traceparent(struct uspan_postgresql_backend *backend)
{
	__u32 len = backend->event.text_len[USPAN_POSTGRESQL_STATEMENT], value = 0;
	const __u8 *text = backend->text + statement_at(backend);

	if (len < TRACEPARENT_BYTES || len > USPAN_STATEMENT_MAX_BYTES)
		return false;
	if (text[len - 2] == '*' && text[len - 1] == '/')
		value = find_traceparent(backend, len > COMMENT_SEARCH_BYTES ? len - COMMENT_SEARCH_BYTES : 0, 0);
	if (!value && text[0] == '/' && text[1] == '*')
		value = find_traceparent(backend, 0, 1);
	if (!value || value > USPAN_STATEMENT_MAX_BYTES)
		return false;
	/* Behind it there is room to read on: the statement is not all of the buffer. */
	text += value;
	if (text[TRACEPARENT_BYTES] == '\'' && parse_traceparent(text, TRACEPARENT_BYTES, &backend->event.span))
		return true;
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

#endif
