/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* W3C Trace Context level 1: traceparent parsing (https://www.w3.org/TR/trace-context/). */
#ifndef USPAN_TRACEPARENT_H
#define USPAN_TRACEPARENT_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/ids.h"

#define TRACEPARENT_BYTES 55 /* 00-<32 hex>-<16 hex>-<2 hex> */
/* Value of a lower-case hex digit, or a number above 15. */
static __always_inline __u32 hex_value(__u8 digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return 0x100;
}

/* Two hex digits. Anything above 255 is malformed. */
static __always_inline __u32 hex_byte(const __u8 *digits)
{
	return hex_value(digits[0]) << 4 | hex_value(digits[1]);
}

/* Reads `bytes` bytes of hex. Returns false if a digit is bad, or if all are zero, which W3C forbids for both ids. */
static __always_inline bool hex_id(const __u8 *digits, __u8 *id, int bytes)
{
	__u32 bad = 0, any = 0;

	for (int i = 0; i < bytes; i++) {
		__u32 value = hex_byte(digits + 2 * i);

		bad |= value;
		any |= value;
		id[i] = value;
	}
	return bad < 0x100 && any;
}

/* Parses a traceparent of `len` bytes, whose first 56 are at `text`. On success it fills ids and flags of `span`. */
static __always_inline bool parse_traceparent(const __u8 *text, __u64 len, struct uspan_span_head *span)
{
	__u32 version = hex_byte(text), flags = hex_byte(text + 53);
	__u8 trace_id[16], parent_id[8];

	if (version >= 0xff || flags > 0xff || text[2] != '-' || text[35] != '-' || text[52] != '-')
		return false;
	if (version == 0 ? len != TRACEPARENT_BYTES : (len > TRACEPARENT_BYTES && text[TRACEPARENT_BYTES] != '-'))
		return false;
	if (!hex_id(text + 3, trace_id, 16) || !hex_id(text + 36, parent_id, 8))
		return false;
	__builtin_memcpy(span->trace_id, trace_id, sizeof(trace_id));
	__builtin_memcpy(span->parent_span_id, parent_id, sizeof(parent_id));
	span->trace_flags = flags | SPAN_FLAG_HAS_IS_REMOTE | SPAN_FLAG_IS_REMOTE;
	return true;
}

#endif
