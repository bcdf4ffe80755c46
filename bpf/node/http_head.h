/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Looking through the head of an HTTP/1 message for its end and for the few headers that say how long the message is and whose
 * trace it belongs to (RFC 9112 §2, §6; W3C Trace Context). Eight bytes at a time: only line ends and the first bytes of a line matter.
 */
#ifndef USPAN_NODE_HTTP_HEAD_H
#define USPAN_NODE_HTTP_HEAD_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

#define WINDOW USPAN_NODE_WINDOW_BYTES
#define LONGEST_LINE_LOOKED_AT 88 /* "traceparent: " with its value and something behind it */
#define MAX_WINDOWS 48            /* 16 KB and some, the most that Node takes by default */
#define LOWER_CASE 0x2020202020202020ull

/* The first bytes of "HTTP/1.", "content-length:", … as little-endian words of lower case. */
#define CONTENT_DASH 0x2d746e65746e6f63ull  /* content- */
#define LENGTH_COLON 0x3a6874676e656cull    /* length: */
#define TRANSFER 0x726566736e617274ull      /* transfer */
#define DASH_ENCODIN 0x6e69646f636e652dull  /* -encodin */
#define TRACEPAR 0x7261706563617274ull      /* tracepar */
#define ENT_COLON 0x3a746e65u               /* ent: */
#define HTTP_1_DOT 0x2e312f50545448ull      /* HTTP/1. */
#define UNDECIDED 2 /* is_request, until the first line's end is seen */
#define SEVEN_BYTES 0xffffffffffffffull

static __always_inline __u64 window_word(const struct uspan_node_connection *c, __u32 at)
{
	return at > USPAN_NODE_WINDOW_ROOM - 8 ? 0 : *(const __u64 *)(c->window + at);
}

static __always_inline __u8 window_byte(const struct uspan_node_connection *c, __u32 at)
{
	return at >= USPAN_NODE_WINDOW_ROOM ? 0 : c->window[at];
}

/* Digits from `at` on; saturates far above any real length. */
static __always_inline __u64 window_number(const struct uspan_node_connection *c, __u32 at)
{
	__u64 value = 0;

	for (__u32 i = 0; i < 20; i++, at++) {
		__u32 digit = (__u32)window_byte(c, at) - '0';

		if (i == 0 && window_byte(c, at) == ' ')
			continue;
		if (digit > 9)
			break;
		value = value * 10 + digit;
	}
	return value;
}

/* The header that begins at `at`; the window holds it whole, or as much as anybody needs. Global: looked at once by the verifier. */
__noinline int scan_line(struct uspan_node_connection *c, __u32 at)
{
	__u64 first, second;

	if (!c || at > WINDOW)
		return 0;
	first = window_word(c, at) | LOWER_CASE;
	if (first != CONTENT_DASH && first != TRANSFER && first != TRACEPAR)
		return 0;
	second = window_word(c, at + 8) | LOWER_CASE;
	if (first == CONTENT_DASH && (second & SEVEN_BYTES) == LENGTH_COLON) {
		c->content_length = window_number(c, at + 15);
		c->has_length = 1;
	} else if (first == TRANSFER && second == DASH_ENCODIN) {
		c->has_encoding = 1;
	} else if (first == TRACEPAR && (__u32)second == ENT_COLON) {
		__u32 value = at + 12, len = 0;

		if (window_byte(c, value) == ' ')
			value++;
		for (; len < 63; len++) {
			__u8 byte = window_byte(c, value + len);

			if (byte < ' ')
				break;
			c->traceparent[len & 63] = byte;
		}
		c->traceparent_len = len;
		c->traceparents++;
	}
	return 0;
}

/* Index of the lowest byte whose top bit is set in `marks`, which is not 0. */
static __always_inline __u32 lowest_mark(__u64 marks)
{
	__u64 below = (marks & -marks) - 1;

	return (((below & 0x0101010101010101ull) * 0x0101010101010101ull) >> 56) - 1;
}

/* A window on its way through its words. */
struct window_scan {
	struct uspan_node_connection *c;
	__u32 len;
	__u32 last; /* nothing follows these bytes */
	__u32 end;  /* length of the head up to and with its empty line, once found */
	__u32 reserved;
};

/* What follows the line end at `at`. Returns whether there is nothing more to look at in this window. */
static __always_inline bool scan_line_end(struct window_scan *scan, __u32 at)
{
	struct uspan_node_connection *c = scan->c;
	__u32 next = at + 1;
	__u8 byte = window_byte(c, next);

	if (c->is_request == UNDECIDED)
		c->is_request = at >= 9 && (window_word(c, at - 9) & SEVEN_BYTES) == HTTP_1_DOT;
	if (next < scan->len && (byte == '\r' || byte == '\n')) {
		scan->end = next + (byte == '\r' ? 2 : 1);
		return true;
	}
	c->in_line = 0;
	if (!scan->last && next + LONGEST_LINE_LOOKED_AT > scan->len) {
		c->scan_next = next;
		return true;
	}
	if (next >= scan->len)
		return true;
	scan_line(c, next);
	c->in_line = 1;
	return false;
}

static long scan_word(__u32 word, struct window_scan *scan)
{
	__u64 marks = window_word(scan->c, word * 8) ^ 0x0a0a0a0a0a0a0a0aull;

	marks = (marks - 0x0101010101010101ull) & ~marks & 0x8080808080808080ull;
	/* Three line ends in one word are an empty line and more: the shortest header has four bytes. */
	for (__u32 i = 0; i < 2 && marks; i++) {
		__u32 at = word * 8 + lowest_mark(marks);

		marks &= marks - 1;
		/* Only the lowest mark is certain. */
		if (at < scan->len && window_byte(scan->c, at) == '\n' && scan_line_end(scan, at))
			return 1;
	}
	return 0;
}

/*
 * Looks at the `len` bytes in c->window, of which nothing follows when `last`. Returns the length of the head up to and with its
 * empty line, or 0; then scan_next is where the next window has to begin.
 */
__noinline int scan_window(struct uspan_node_connection *c, __u32 len, __u32 last)
{
	struct window_scan scan = { .c = c, .len = len, .last = last };

	if (!c || len > WINDOW)
		return 0;
	c->scan_next = len;
	/* The window begins where a line does, or where the head ends. */
	if (!c->in_line) {
		__u8 byte = window_byte(c, 0);

		if (byte == '\r' && len >= 2)
			return 2;
		if (byte == '\n')
			return 1;
		scan_line(c, 0);
		c->in_line = 1;
	}
	bpf_loop((len + 7) / 8, scan_word, &scan, 0);
	return scan.end;
}

/*
 * Looks through the head that begins at `address`, or goes on there when not `fresh`. Returns its length up to and with its empty line
 * within these `len` bytes, or 0 when it is not complete.
 */
__noinline int scan_head(struct uspan_node_connection *c, __u64 address, __u32 len, __u32 fresh)
{
	__u32 at = 0;

	if (!c)
		return 0;
	if (fresh) {
		c->line[0] = c->line[1] = 0;
		c->content_length = 0;
		c->in_line = c->has_length = c->has_encoding = 0;
		c->is_request = UNDECIDED;
		c->traceparents = c->traceparent_len = 0;
	}
	for (__u32 i = 0; i < MAX_WINDOWS && at < len; i++) {
		__u32 left = len - at, bytes = left > WINDOW ? WINDOW : left;
		int end;

		barrier_var(bytes); /* the compiler knows that the mask changes nothing; the verifier does not */
		bytes &= USPAN_NODE_WINDOW_ROOM - 1;
		if (bpf_probe_read_user(c->window, bytes, (void *)(address + at)))
			return 0;
		c->window[bytes] = 0; /* what an earlier head left there is none of this one's */
		if (fresh && i == 0) {
			c->line[0] = window_word(c, 0);
			c->line[1] = window_word(c, 8);
		}
		end = scan_window(c, bytes, left <= WINDOW);
		if (end)
			return at + end;
		at += c->scan_next;
	}
	return 0;
}

#endif
