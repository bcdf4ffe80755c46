/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef USPAN_TARGETS_H
#define USPAN_TARGETS_H

#include "common/vmlinux.h"
#include <bpf/bpf_helpers.h>

/* Target processes, for binaries that other processes share. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

#endif
