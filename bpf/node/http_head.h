/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Searches the head of an HTTP/1 message for its end, and for the few headers that say how long the message is and which trace it belongs
 * to (RFC 9112 §2, §6; W3C Trace Context). It takes 64 bytes at a time. Only line ends and the first bytes of a line matter.
 */
#ifndef USPAN_NODE_HTTP_HEAD_H
#define USPAN_NODE_HTTP_HEAD_H

#include "node/hit.h"

#define LONGEST_LINE_LOOKED_AT 88 /* "traceparent: " with its value and something behind it */
#define MAX_WINDOWS 40            /* 16 KB and some, the most that Node accepts by default */
#define STEP_BYTES 64
#define MAX_LINES_A_STEP 16       /* the shortest header has four bytes */
#define LOWER_CASE 0x2020202020202020ull

/* The first bytes of "HTTP/1.", "content-length:", … as little-endian words of lower case. */
#define CONTENT_DASH 0x2d746e65746e6f63ull  /* content- */
#define LENGTH_COLON 0x3a6874676e656cull    /* length: */
#define TRANSFER 0x726566736e617274ull      /* transfer */
#define DASH_ENCODIN 0x6e69646f636e652dull  /* -encodin */
#define TRACEPAR 0x7261706563617274ull      /* tracepar */
#define ENT_COLON 0x3a746e65u               /* ent: */
#define HOST_COLON 0x3a74736f68ull          /* host: */
#define FIVE_BYTES 0xffffffffffull
#define HTTP_1_DOT 0x2e312f50545448ull      /* HTTP/1. */
#define UNDECIDED 2 /* is_request, until the first line's end is seen */
#define SEVEN_BYTES 0xffffffffffffffull

static __always_inline __u64 window_word(const struct hit_scratch *scratch, __u32 at)
{
	return at > WINDOW_BYTES + WINDOW_MARGIN_BYTES - 8 ? 0 : *(const __u64 *)(scratch->window + at);
}

static __always_inline __u8 window_byte(const struct hit_scratch *scratch, __u32 at)
{
	return at >= WINDOW_BYTES + WINDOW_MARGIN_BYTES ? 0 : scratch->window[at];
}

/* Digits from `at` on; saturates far above any real length. */
static __always_inline __u64 window_number(const struct hit_scratch *scratch, __u32 at)
{
	__u64 value = 0;

	for (__u32 i = 0; i < 20; i++, at++) {
		__u32 digit = (__u32)window_byte(scratch, at) - '0';

		if (i == 0 && window_byte(scratch, at) == ' ')
			continue;
		if (digit > 9)
			break;
		value = value * 10 + digit;
	}
	return value;
}

/* The header that begins at `at`. The window has all of it, or as much as is needed. Global, so that the verifier walks it once. */
__noinline int scan_line(struct uspan_node_head *head, struct hit_scratch *scratch, __u32 at)
{
	__u64 first, second;

	if (!head || !scratch || at > WINDOW_BYTES)
		return 0;
	first = window_word(scratch, at) | LOWER_CASE;
	second = window_word(scratch, at + 8) | LOWER_CASE;
	if (first == CONTENT_DASH && (second & SEVEN_BYTES) == LENGTH_COLON) {
		head->content_length = window_number(scratch, at + 15);
		head->has_length = 1;
	} else if (first == TRANSFER && second == DASH_ENCODIN) {
		head->has_encoding = 1;
	} else if (first == TRACEPAR && (__u32)second == ENT_COLON) {
		__u32 value = at + 12, len = 0;

		if (window_byte(scratch, value) == ' ')
			value++;
		for (; len < 63; len++) {
			__u8 byte = window_byte(scratch, value + len);

			if (byte < ' ')
				break;
			scratch->traceparent[len & 63] = byte;
		}
		scratch->traceparent_len = len;
		scratch->traceparents++;
	}
	return 0;
}

/* Most lines do not matter, and are passed over without a call. */
static __always_inline void look_at_line(struct uspan_node_head *head, struct hit_scratch *scratch, __u32 at)
{
	__u64 first = window_word(scratch, at) | LOWER_CASE;

	if (first == CONTENT_DASH || first == TRANSFER || first == TRACEPAR)
		scan_line(head, scratch, at);
	else if ((first & FIVE_BYTES) == HOST_COLON)
		scratch->host_address = scratch->window_address + at;
}

/* Index of the lowest bit of `bits`, which is not 0. */
static __always_inline __u32 lowest_bit(__u64 bits)
{
	__u64 below = (bits & -bits) - 1;

	below -= below >> 1 & 0x5555555555555555ull;
	below = (below & 0x3333333333333333ull) + (below >> 2 & 0x3333333333333333ull);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return below * 0x0101010101010101ull >> 56;
}

/* A bit for each of eight bytes, the lowest for the first: whether it ends a line. */
static __always_inline __u64 line_ends(__u64 word)
{
	__u64 other = word ^ 0x0a0a0a0a0a0a0a0aull, ends;

	/* The top bit of each byte that is zero. No sum carries into the next byte. */
	ends = ~(((other & 0x7f7f7f7f7f7f7f7full) + 0x7f7f7f7f7f7f7f7full) | other | 0x7f7f7f7f7f7f7f7full);
	/* Each factor moves one of these bits into the top byte, and no other bit into its position there. */
	return (ends >> 7) * 0x0102040810204080ull >> 56;
}

/* A window, and the position in it. */
struct window_scan {
	struct uspan_node_head *head;
	struct hit_scratch *scratch;
	__u32 len;
	__u32 last; /* nothing follows these bytes */
	__u32 end;  /* length of the head up to and with its empty line, once found */
	__u32 reserved;
};

/* What follows the line end at `at`. Returns whether the rest of this window does not matter. */
static __always_inline bool scan_line_end(struct window_scan *scan, __u32 at)
{
	struct uspan_node_head *head = scan->head;
	__u32 next = at + 1;
	__u8 byte = window_byte(scan->scratch, next);

	if (head->is_request == UNDECIDED)
		head->is_request = at >= 9 && (window_word(scan->scratch, at - 9) & SEVEN_BYTES) == HTTP_1_DOT;
	if (next + (byte == '\r') < scan->len && (byte == '\r' || byte == '\n')) {
		scan->end = next + (byte == '\r' ? 2 : 1);
		return true;
	}
	head->in_line = 0;
	if (!scan->last && next + LONGEST_LINE_LOOKED_AT > scan->len) {
		head->scan_next = next;
		return true;
	}
	if (next >= scan->len)
		return true;
	look_at_line(head, scan->scratch, next);
	head->in_line = 1;
	return false;
}

static long scan_step(__u32 step, struct window_scan *scan)
{
	__u32 from = step * STEP_BYTES, len = scan->len;
	const __u8 *bytes = scan->scratch->window;
	__u64 ends = 0, offset = from;

	barrier_var(offset);
	if (offset > WINDOW_BYTES - STEP_BYTES)
		return 1;
	/* A pointer keeps its bounds, while the verifier might forget those of the number that was added to it. */
	bytes += offset;
	barrier_var(bytes);
	for (__u32 i = 0; i < STEP_BYTES / 8; i++)
		ends |= line_ends(*(const __u64 *)(bytes + 8 * i)) << 8 * i;
	if (len < from + STEP_BYTES)
		ends &= (1ull << (len - from)) - 1;
	for (__u32 i = 0; i < MAX_LINES_A_STEP && ends; i++) {
		if (scan_line_end(scan, from + lowest_bit(ends)))
			return 1;
		ends &= ends - 1;
	}
	return 0;
}

/*
 * Searches the `len` bytes in the window. With `last`, nothing follows them. Returns the length of the head including its empty line, or 0.
 * In that case the next window has to begin at scan_next.
 */
__noinline int scan_window(struct uspan_node_head *head, struct hit_scratch *scratch, __u32 len, __u32 last)
{
	struct window_scan scan = { .head = head, .scratch = scratch, .len = len, .last = last };

	if (!head || !scratch || len > WINDOW_BYTES)
		return 0;
	head->scan_next = len;
	/* The window begins where a line does, or where the head ends. */
	if (!head->in_line) {
		__u8 byte = window_byte(scratch, 0);

		if (byte == '\r' && len >= 2)
			return 2;
		if (byte == '\n')
			return 1;
		look_at_line(head, scratch, 0);
		head->in_line = 1;
	}
	bpf_loop((len + STEP_BYTES - 1) / STEP_BYTES, scan_step, &scan, 0);
	return scan.end;
}

/* What an earlier head left behind `at` does not belong to this one. */
static __always_inline void end_window(struct hit_scratch *scratch, __u64 at)
{
	barrier_var(at);
	if (at < WINDOW_BYTES + WINDOW_MARGIN_BYTES)
		scratch->window[at] = 0;
}

/*
 * Searches the head that begins at `address`, or goes on there if not `fresh`. Returns its length including its empty line within these
 * `len` bytes, or 0 if it is not complete.
 */
__noinline int scan_head(struct uspan_node_head *head, struct hit_scratch *scratch, __u64 address, __u32 len, __u32 fresh)
{
	__u32 at = 0;

	if (!head || !scratch)
		return 0;
	if (fresh) {
		head->line[0] = head->line[1] = 0;
		head->content_length = 0;
		head->in_line = head->has_length = head->has_encoding = 0;
		head->is_request = UNDECIDED;
		scratch->traceparents = scratch->traceparent_len = 0;
		scratch->host_address = 0;
	}
	for (__u32 i = 0; i < MAX_WINDOWS && at < len; i++) {
		__u32 left = len - at, bytes = left > WINDOW_BYTES ? WINDOW_BYTES : left;
		int end;

		barrier_var(bytes); /* the compiler knows that the test changes nothing; the verifier does not */
		if (bytes > WINDOW_BYTES || bpf_probe_read_user(scratch->window, bytes, (void *)(address + at)))
			return 0;
		scratch->window_address = address + at;
		end_window(scratch, bytes);
		if (fresh && i == 0) {
			head->line[0] = window_word(scratch, 0);
			head->line[1] = window_word(scratch, 8);
		}
		end = scan_window(head, scratch, bytes, left <= WINDOW_BYTES);
		if (end)
			return at + end;
		at += head->scan_next;
	}
	return 0;
}

#endif
