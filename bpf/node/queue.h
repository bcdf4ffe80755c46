/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Requests in flight on a connection. Each is an entry of its protocol's map of open spans. Slot 0 has the first one that came while there
 * was no other, so that its entry is kept for the connection's next one. Those that came behind it are in slots 1, 2, and so on.
 */
#ifndef USPAN_NODE_QUEUE_H
#define USPAN_NODE_QUEUE_H

#include "common/vmlinux.h"
#include "event.h"
#include "span/counters.h"

/*
 * Takes the next slot. False: too many wait already, which is counted. Then the slot has no entry. It is taken all the same, because its
 * answer comes too.
 */
static __always_inline bool take_slot(struct uspan_node_queue *queue, __u32 *slot)
{
	if (queue->active == 0)
		queue->first = queue->next = 0;
	*slot = queue->next++;
	if (queue->active++ < USPAN_NODE_MAX_PIPELINED)
		return true;
	count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
	return false;
}

/* The first has ended. */
static __always_inline void give_slot(struct uspan_node_queue *queue)
{
	queue->first++;
	queue->active--;
}

#endif
