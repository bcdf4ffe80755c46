/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The head of a request, as it was read from the network. When net/http's server calls the handler, it is still in the buffer of the
 * connection's bufio.Reader: (*conn).bufr. One read of it replaces the reads of each group of the header map, each name and each value.
 *
 * It is the head only if it begins where the buffer does, and ends where the reader is. That is so after a fill(), which moves the rest to
 * the buffer's start (bufio.go), and the reader waits for four bytes between two requests (`c.bufr.Peek(4)` in (*conn).serve). Behind a
 * request with a body, the buffer may begin in the middle of that body. Such heads are not used, and the header map is searched instead.
 */
#ifndef USPAN_GO_HEAD_H
#define USPAN_GO_HEAD_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/blank.h"

#define HEAD_MAX_BYTES 448 /* the scratch memory, minus what is looked at behind a line's end */

enum go_head_text {
	HEAD_HOST = 0,
	HEAD_USER_AGENT = 1,
	HEAD_TRACEPARENT = 2,
	HEAD_TRACESTATE = 3,
	HEAD_TEXTS = 4,
};

struct go_head {
	__u16 at[HEAD_TEXTS];  /* of each header's first value; 0: absent */
	__u16 len[HEAD_TEXTS];
	__u16 bytes;           /* of the head */
	__u16 end;             /* behind the blank line; 0: not found yet */
	__u16 value;           /* of the header that is being looked at */
	__u8 wanted;           /* 1 + enum go_head_text; 0: it is another */
	__u8 traceparents;     /* how many there are */
	__u8 odd;              /* 1: something that needs the header map */
	__u8 reserved[7];
};

#define WORD(a, b, c, d, e, f, g, h)                                                                                      \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 |       \
	 (__u64)(g) << 48 | (__u64)(h) << 56)
#define LOWER_CASE 0x2020202020202020ull

/* Whether a header that begins with these two words is wanted, and the length of its name, with the colon. */
static __always_inline __u8 wanted_header(__u64 first, __u64 second, __u32 *name_bytes)
{
	first |= LOWER_CASE;
	second |= LOWER_CASE;
	if ((first & 0xffffffffff) == WORD('h', 'o', 's', 't', ':', 0, 0, 0)) {
		*name_bytes = 5;
		return 1 + HEAD_HOST;
	}
	if (first == WORD('u', 's', 'e', 'r', '-', 'a', 'g', 'e') && (second & 0xffffff) == WORD('n', 't', ':', 0, 0, 0, 0, 0)) {
		*name_bytes = 11;
		return 1 + HEAD_USER_AGENT;
	}
	if (first == WORD('t', 'r', 'a', 'c', 'e', 'p', 'a', 'r') && (second & 0xffffffff) == WORD('e', 'n', 't', ':', 0, 0, 0, 0)) {
		*name_bytes = 12;
		return 1 + HEAD_TRACEPARENT;
	}
	if (first == WORD('t', 'r', 'a', 'c', 'e', 's', 't', 'a') && (second & 0xffffff) == WORD('t', 'e', ':', 0, 0, 0, 0, 0)) {
		*name_bytes = 11;
		return 1 + HEAD_TRACESTATE;
	}
	return 0;
}

static __always_inline __u8 head_byte(const struct uspan_scratch *raw, __u64 at)
{
	barrier_var(at);
	return at < USPAN_RAW_BYTES ? raw->bytes[at] : 0;
}

/* Keeps the value of the header whose line ends at `at`, without the white space around it (RFC 9112 section 5). */
static __always_inline void keep_value(struct go_head *head, const struct uspan_scratch *raw, __u32 at)
{
	__u32 from = head->value, to = at, text = head->wanted - 1;

	if (text >= HEAD_TEXTS)
		return;
	if (to > from && head_byte(raw, to - 1) == '\r')
		to--;
	for (int i = 0; i < 4; i++) {
		if (from < to && is_blank(head_byte(raw, from)))
			from++;
		if (from < to && is_blank(head_byte(raw, to - 1)))
			to--;
	}
	if (from < to && (is_blank(head_byte(raw, from)) || is_blank(head_byte(raw, to - 1))))
		head->odd = 1;
	if (text == HEAD_TRACEPARENT)
		head->traceparents++;
	else if (text == HEAD_TRACESTATE && head->at[text])
		head->odd = 1; /* They are one list (W3C Trace Context section 3.3.1), and the header map has all of it. */
	if (!head->at[text]) {
		head->at[text] = from;
		head->len[text] = to - from;
	}
}

/* A line ends at `at`. Global, so that the verifier walks it once. */
__noinline int end_line(struct go_head *head, const struct uspan_scratch *raw, __u32 at)
{
	__u64 next = at + 1;
	__u32 name_bytes = 0;
	__u8 byte;

	if (!head || !raw)
		return 0;
	if (head->wanted)
		keep_value(head, raw, at);
	head->wanted = 0;
	barrier_var(next);
	if (next > HEAD_MAX_BYTES)
		return 0;
	byte = raw->bytes[next];
	if (byte == '\n')
		head->end = next + 1;
	else if (byte == '\r' && raw->bytes[next + 1] == '\n')
		head->end = next + 2;
	else if (is_blank(byte))
		head->odd = 1; /* The value goes on in this line. */
	else
		head->wanted = wanted_header(*(__u64 *)(raw->bytes + next), *(__u64 *)(raw->bytes + next + 8), &name_bytes);
	head->value = next + name_bytes;
	return 0;
}

/* Looks for the ends of lines, eight bytes at a time. Global, as above. */
__noinline int scan_head(struct go_head *head, const struct uspan_scratch *raw)
{
	if (!head || !raw)
		return 0;
	for (__u32 i = 0; i < HEAD_MAX_BYTES / 8; i++) {
		__u64 word, ends;

		if (i * 8 >= head->bytes || head->end)
			break;
		word = *(__u64 *)(raw->bytes + i * 8) ^ WORD('\n', '\n', '\n', '\n', '\n', '\n', '\n', '\n');
		/* The top bit of each byte that is zero, and maybe of one behind it: "Bit Twiddling Hacks", haszero(). */
		ends = (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;
		if (!ends)
			continue;
		for (__u32 k = 0; k < 8; k++)
			if (ends >> (8 * k + 7) & 1 && raw->bytes[i * 8 + k] == '\n' && !head->end)
				end_line(head, raw, i * 8 + k);
	}
	return 0;
}

#endif
