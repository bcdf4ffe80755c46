// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* bpf/common/sql_comment.h: `cases` has a statement, and then the trace that its comments name. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/sql_comment.h"

char LICENSE[] SEC("license") = "GPL";

#define STATEMENT_BYTES 2048

struct comment_case {
	struct uspan_span_head span;
	__u32 len;
	__u32 result;
	__u8 text[STATEMENT_BYTES + COMMENT_MARGIN_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct comment_case);
} cases SEC(".maps");

SEC("syscall")
int test_comment(void *ctx __attribute__((unused)))
{
	__u32 first = 0;
	struct comment_case *it = bpf_map_lookup_elem(&cases, &first);

	if (it)
		it->result = comment_traceparent(it->text, it->len, STATEMENT_BYTES, &it->span);
	return 0;
}
