// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* bpf/go/headers.h on memory of the process that runs the program. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/headers.h"

char LICENSE[] SEC("license") = "GPL";

struct header_case {
	__u64 map;         /* in: address of the map */
	__u64 traceparent; /* out: addresses of the []string's first string */
	__u64 traceparent_values;
	__u64 tracestate;
	__u64 user_agent;
	__u64 left;
	__u64 complete;
	struct uspan_go_map_layout layout;
	struct uspan_scratch raw;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct header_case);
} cases SEC(".maps");

SEC("syscall")
int test_scan(void *ctx __attribute__((unused)))
{
	struct header_scan scan = {};
	struct header_case *it;
	__u32 first = 0;

	it = bpf_map_lookup_elem(&cases, &first);
	if (!it)
		return 1;
	it->complete = scan_headers(&scan, &it->layout, &it->raw, it->map);
	it->traceparent = scan.traceparent;
	it->traceparent_values = scan.traceparent_values;
	it->tracestate = scan.tracestate;
	it->user_agent = scan.user_agent;
	it->left = scan.left;
	return 0;
}
