/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A traceparent in kernel memory, for programs that find one in several places. */
#ifndef USPAN_TRACE_TEXT_H
#define USPAN_TRACE_TEXT_H

#include "span/traceparent.h"

struct trace_text {
	__u8 bytes[64];
};

/* parse_traceparent() for bytes that were read before. Global, so that the verifier follows its paths through 55 digits once. */
__noinline int parse_trace(struct uspan_span_head *span, const struct trace_text *text, __u32 len)
{
	if (!span || !text)
		return 0;
	return parse_traceparent(text->bytes, len, span);
}

#endif
