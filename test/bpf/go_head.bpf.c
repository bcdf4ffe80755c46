// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* bpf/go/head.h on the bytes of a case. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/head.h"

char LICENSE[] SEC("license") = "GPL";

struct head_case {
	struct uspan_scratch raw;
	struct go_head head; /* in: `bytes`; out */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct head_case);
} cases SEC(".maps");

SEC("syscall")
int test_scan(void *ctx __attribute__((unused)))
{
	__u32 first = 0;
	struct head_case *it = bpf_map_lookup_elem(&cases, &first);

	if (it)
		scan_head(&it->head, &it->raw);
	return 0;
}
