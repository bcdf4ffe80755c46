/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The request that a program is handling while it makes a call of its own: where Node's async context will be looked up, the one place
 * that gives a parent within a process. For now nobody knows it, and no parent is better than a wrong one.
 */
#ifndef USPAN_NODE_CONTEXT_H
#define USPAN_NODE_CONTEXT_H

#include "span/traceparent.h"

/* Fills in the trace and the parent of `span`; false when the call is made for no request, or for one that is not known. */
static __always_inline bool node_context(struct uspan_span_head *span __attribute__((unused)))
{
	return false;
}

/* A trace for a call, and whether it is sampled. `parented`: by what the call itself carries. */
static __always_inline bool begin_call_trace(struct uspan_span_head *span, bool parented)
{
	if (!parented) {
		parented = node_context(span);
		if (!parented)
			new_trace(span);
	}
	random_bytes(span->span_id, 8);
	span->span_id[7] |= 1;
	return sample(&uspan_config, span, parented);
}

#endif
