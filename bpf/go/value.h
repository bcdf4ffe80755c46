/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Go values in a process's memory. */
#ifndef USPAN_GO_VALUE_H
#define USPAN_GO_VALUE_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

/* An interface value: its itab (or type, for the empty interface) and its data. */
struct go_interface {
	__u64 type;
	__u64 data;
};

/* Whether a word can be a pointer: not to the first page, and in the user's half of the address space. */
static __always_inline bool go_pointer(__u64 word)
{
	return word >= 4096 && word >> 56 == 0;
}

/* 0 if it cannot be read. */
static __always_inline __u64 go_word(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}

/* Hash of the dynamic type of an interface, 0: nil. internal/abi: ITab.Hash is at the offset of Type.Hash and a copy of it. */
static __always_inline __u32 go_type_hash(__u64 type)
{
	__u32 hash = 0;

	if (go_pointer(type))
		bpf_probe_read_user(&hash, sizeof(hash), (void *)(type + 16));
	return hash;
}

#endif
