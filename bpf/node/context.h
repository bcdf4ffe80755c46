/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The request that a program is handling while it makes a call of its own. Node's async context will be looked up here, the one place that
 * gives a parent within a process. Until then there is no parent, which is better than a wrong one.
 */
#ifndef USPAN_NODE_CONTEXT_H
#define USPAN_NODE_CONTEXT_H

#include "span/life.h"

/* Fills in the trace and the parent of `span`. False if the call is made for no request, or for an unknown one. */
static __always_inline bool node_context(struct uspan_span_head *span __attribute__((unused)))
{
	return false;
}

/* Gives a call its trace, and decides whether it is sampled. `stated`: the call itself carries the trace, which `span` has. */
static __always_inline void begin_call(struct uspan_open_span *span, const struct uspan_probe_head *probe, __u64 owner, bool stated)
{
	if (stated)
		span->head.trace_flags &= 0xff; /* The call does not say whether it came from another process. */
	else
		stated = node_context(&span->head);
	span_begin(span, probe, owner, stated ? SPAN_REMOTE : SPAN_ROOT);
}

#endif
