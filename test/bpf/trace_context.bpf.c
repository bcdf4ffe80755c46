// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* bpf/span/{traceparent,ids}.h, one function per program: `cases` has its input, and then its output. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/traceparent.h"

char LICENSE[] SEC("license") = "GPL";

struct trace_case {
	struct uspan_probe_head probe;
	struct uspan_span_head span;
	__u64 len; /* of the header, whose beginning is in `text` */
	__u32 parented;
	__u32 result;
	__u8 text[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_case);
} cases SEC(".maps");

static __always_inline struct trace_case *the_case(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&cases, &first);
}

SEC("syscall")
int test_parse(void *ctx __attribute__((unused)))
{
	struct trace_case *it = the_case();

	if (it)
		it->result = parse_traceparent(it->text, it->len, &it->span);
	return 0;
}

SEC("syscall")
int test_new_trace(void *ctx __attribute__((unused)))
{
	struct trace_case *it = the_case();

	if (it) {
		__u64 state = id_state(bpf_ktime_get_ns(), 1);

		put_span_id(&it->span, state);
		put_new_trace(&it->span, state);
	}
	return 0;
}

SEC("syscall")
int test_sample(void *ctx __attribute__((unused)))
{
	struct trace_case *it = the_case();

	if (it)
		it->result = is_sampled(&it->probe, &it->span, it->parented);
	return 0;
}
