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

/* Two hex digits; anything above 255 is malformed. */
static __always_inline __u32 hex_byte(const __u8 *digits)
{
	return hex_value(digits[0]) << 4 | hex_value(digits[1]);
}

/* Reads `bytes` bytes of hex; returns false if a digit is bad or all are zero, which W3C forbids for both ids. */
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

/* Parses a traceparent of `len` bytes of which the first 56 are at `text`; on success fills ids and flags of `span`. */
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

static __always_inline void random_bytes(__u8 *to, int bytes)
{
	for (int i = 0; i < bytes; i += 4)
		*(__u32 *)(to + i) = bpf_get_prandom_u32();
}

static __always_inline void new_span_id(struct uspan_span_head *span)
{
	random_bytes(span->span_id, 8);
	span->span_id[7] |= 1;
}

/* New trace: ids from the kernel's PRNG, no parent, sampled unless decided otherwise. All-zero ids are invalid, and cannot happen here: bit 0 of the last byte is set. */
static __always_inline void new_trace(struct uspan_span_head *span)
{
	random_bytes(span->trace_id, 16);
	span->trace_id[15] |= 1;
	__builtin_memset(span->parent_span_id, 0, 8);
	span->trace_flags = TRACE_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE;
}

/* The standard samplers; `parented`: a remote parent was taken over. */
static __always_inline bool sample(const volatile struct uspan_config *config, struct uspan_span_head *span, bool parented)
{
	__u64 low;

	if (parented && config->parent_based)
		return span->trace_flags & TRACE_FLAG_SAMPLED;
	if (config->sampler == USPAN_SAMPLER_ALWAYS_ON)
		return true;
	if (config->sampler == USPAN_SAMPLER_ALWAYS_OFF)
		return false;
	low = bpf_be64_to_cpu(*(__u64 *)(span->trace_id + 8));
	return low >> 1 < config->ratio_threshold;
}

#endif
