// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Runs bpf/go/newest.h on a goroutine and a request's time that the test gives. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/newest.h"

char LICENSE[] SEC("license") = "GPL";

struct newest_case {
	struct uspan_go_goroutine_key goroutine;
	__u64 start_ktime_ns;
	__u64 from_before; /* out */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct newest_case);
} cases SEC(".maps");

SEC("syscall")
int test_note(void *ctx __attribute__((unused)))
{
	__u32 first = 0;
	struct newest_case *it = bpf_map_lookup_elem(&cases, &first);

	if (!it)
		return 1;
	note_goroutine(&it->goroutine);
	return 0;
}

SEC("syscall")
int test_from_before(void *ctx __attribute__((unused)))
{
	__u32 first = 0;
	struct newest_case *it = bpf_map_lookup_elem(&cases, &first);

	if (!it)
		return 1;
	it->from_before = is_from_before(&it->goroutine, it->start_ktime_ns);
	return 0;
}
