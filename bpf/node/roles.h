/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Roles of recent connections, each a word in an array. JavaScript runs between two hits and drives what they need out of the processor's
 * caches. A look into a hash map needs more of it than one word. Most hits need only the word.
 */
#ifndef USPAN_NODE_ROLES_H
#define USPAN_NODE_ROLES_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

#define ROLE_SLOT_BITS 12
#define ROLE_BITS 3
#define PID_BITS 22 /* PID_MAX_LIMIT */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << ROLE_SLOT_BITS);
	__type(key, __u32);
	__type(value, __u64);
} node_roles SEC(".maps");

/*
 * The index of a connection's word, and the word without the role. The lower bits of the address, with the pid, give the index. The word
 * has its upper bits and the pid. So no two connections share both. A word is written and read in one go. A client's HTTP parser has a word
 * too, by its own address.
 */
static __always_inline __u64 *role_slot(__u64 stream_base, __u32 pid, __u64 *word)
{
	__u64 aligned = stream_base >> 3;
	__u32 slot = (aligned ^ pid * 0x9e3779b1u) & ((1 << ROLE_SLOT_BITS) - 1);

	*word = (aligned >> ROLE_SLOT_BITS) << (PID_BITS + ROLE_BITS) | (__u64)pid << ROLE_BITS;
	return bpf_map_lookup_elem(&node_roles, &slot);
}

/* 0: not remembered. */
static __always_inline __u32 remembered_role(__u64 stream_base, __u32 pid)
{
	__u64 word, *slot = role_slot(stream_base, pid, &word), role;

	if (!slot)
		return 0;
	role = *(volatile __u64 *)slot ^ word;
	return role < 1 << ROLE_BITS ? role : 0;
}

static __always_inline void remember_role(__u64 stream_base, __u32 pid, __u32 role)
{
	__u64 word, *slot = role_slot(stream_base, pid, &word);

	if (slot)
		*(volatile __u64 *)slot = word | role;
}

/* Before a connection's role changes. */
static __always_inline void forget_role(__u64 stream_base, __u32 pid)
{
	__u64 word, *slot = role_slot(stream_base, pid, &word);

	if (slot && (*(volatile __u64 *)slot ^ word) < 1 << ROLE_BITS)
		*(volatile __u64 *)slot = 0;
}

#endif
