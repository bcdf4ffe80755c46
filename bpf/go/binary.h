/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The facts of each Go binary. The agent writes them once per binary, before it attaches the first definition. */
#ifndef USPAN_GO_BINARY_H
#define USPAN_GO_BINARY_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_GO_BINARIES);
	__type(key, __u32);
	__type(value, struct uspan_go_binary);
} go_binaries SEC(".maps");

/* Looked up only where it is needed, because most hits do not need it. */
static __always_inline const struct uspan_go_binary *go_binary(const struct uspan_probe_head *probe)
{
	return bpf_map_lookup_elem(&go_binaries, &probe->binary);
}

#endif
