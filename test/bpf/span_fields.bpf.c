// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* bpf/span/{fields,life}.h: puts the texts of a case into a span, and sends it into the ring. */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/life.h"

char LICENSE[] SEC("license") = "GPL";

#define TEXTS 12

struct text_case {
	struct uspan_text_ref text;
	__u32 max_bytes;
	__u32 field;
	__u64 is_string; /* its NUL tells its length */
};

struct fields_case {
	struct text_case texts[TEXTS];
	__u32 count;
	__u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fields_case);
} cases SEC(".maps");

OPEN_SPANS(test_spans);

SEC("syscall")
int test_put(void *ctx __attribute__((unused)))
{
	struct uspan_open_span_key key = { .owner = 1, .pid = 1 };
	struct site site = { .probe_id = 5 };
	struct uspan_probe_head probe = {};
	struct uspan_open_span *span;
	struct fields_case *it;
	__u32 first = 0;

	it = bpf_map_lookup_elem(&cases, &first);
	span = span_open(&test_spans, USPAN_EVENT_SQL, &key);
	if (!it || !span)
		return 1;
	span_start(span, 0);
	span_begin(span, &probe, key.owner, SPAN_ROOT);
	for (__u32 i = 0; i < TEXTS; i++)
		if (i < it->count && it->texts[i].is_string)
			span_put_string(span, it->texts[i].field, it->texts[i].text.ptr, it->texts[i].max_bytes);
		else if (i < it->count)
			span_put(span, it->texts[i].field, it->texts[i].text, it->texts[i].max_bytes);
	span_put_number(span, 31, it->number);
	span_finish_head(span, &site, 1ull << 32 | 1, USPAN_EVENT_SQL, bpf_ktime_get_ns());
	span_send(span);
	span->open = 0;
	span_release(&test_spans, USPAN_EVENT_SQL, &key);
	return 0;
}
