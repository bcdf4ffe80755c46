/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The life of a span: open, begin, put, end. Every source of spans goes this way.
 *
 *     OPEN_SPANS(go_http_in_flight);                              its map
 *     span = span_find(&go_http_in_flight, &key);                 the owner's entry, if there is one: kept, or not ended
 *     span = span_open(&go_http_in_flight, source, &key);         ... or a new one
 *     span_start(span);                                           its time
 *     span_begin(span, probe, key.owner, SPAN_ROOT);              its ids, and whether it is sampled
 *     span_put(span, FIELD, from, len, max);                      fields, if it is sampled (span/fields.h)
 *     span_end(span, &site, pid, source);                         adds what is known now, and sends it to the agent
 *     span_release(&go_http_in_flight, source, &key);             keeps the entry for its owner's next span, or frees it
 *
 * Future users of the life of a span (metrics, the span that a thread is in) belong into span_begin() and span_end().
 */
#ifndef USPAN_SPAN_LIFE_H
#define USPAN_SPAN_LIFE_H

#include "span/fields.h"
#include "span/ids.h"
#include "span/order.h"
#include "span/spans.h"

/*
 * The open spans of one source, and entries that are kept for their owners' next spans. The agent sizes it by `--max-in-flight`. Its key is
 * struct uspan_open_span_key. The agent finds the pid in it, and sweeps out what ended processes leave.
 */
#define OPEN_SPANS(name)                                        \
	struct {                                                \
		__uint(type, BPF_MAP_TYPE_HASH);                \
		__uint(map_flags, BPF_F_NO_PREALLOC);           \
		__uint(max_entries, 2 * 16384);                 \
		__type(key, struct uspan_open_span_key);        \
		__type(value, struct uspan_open_span);          \
	} name SEC(".maps")

/*
 * Entries of each source's map, including those that the agent has swept. Index: enum uspan_event_kind. Written when an entry comes or
 * goes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_SOURCES);
	__type(key, __u32);
	__type(value, __u64);
} open_span_entries SEC(".maps");

/* Entries that the agent has swept, which it alone writes. Index as above. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_SOURCES);
	__type(key, __u32);
	__type(value, __u64);
} open_span_swept SEC(".maps");

/* All zero: the start of a new entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_open_span);
} blank_span SEC(".maps");

#define span_find(map, key) ((struct uspan_open_span *)bpf_map_lookup_elem(map, key))

static __always_inline void add_entries(__u32 source, __s64 number)
{
	__u64 *entries = bpf_map_lookup_elem(&open_span_entries, &source);

	if (entries)
		__sync_fetch_and_add(entries, number);
}

/* A new entry. 0: there is no room, which is counted. */
static __always_inline struct uspan_open_span *span_new(void *map, __u32 source, const struct uspan_open_span_key *key)
{
	__u32 first = 0;
	void *blank = bpf_map_lookup_elem(&blank_span, &first);
	long error;

	if (!blank)
		return 0; /* Never: an array has its entries. */
	error = bpf_map_update_elem(map, key, blank, BPF_ANY);
	if (error) {
		count_refused(error);
		return 0;
	}
	add_entries(source, 1);
	return bpf_map_lookup_elem(map, key);
}

/* The owner's entry, which may still be open. 0: there is no room, which is counted. */
static __always_inline struct uspan_open_span *span_open(void *map, __u32 source, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *span = bpf_map_lookup_elem(map, key);

	return span ? span : span_new(map, source, key);
}

static __always_inline void span_delete(void *map, __u32 source, const struct uspan_open_span_key *key)
{
	if (bpf_map_delete_elem(map, key) == 0)
		add_entries(source, -1);
}

/*
 * An entry that is no longer open stays for its owner's next span, which saves two map writes per span. Only the first half of the map may
 * be held that way, so the other half is always free for spans that begin.
 */
static __always_inline void span_release(void *map, __u32 source, const struct uspan_open_span_key *key)
{
	__u64 *entries = bpf_map_lookup_elem(&open_span_entries, &source), *swept;

	/* What was swept is looked up only if it matters, because each map is another page to touch. */
	if (!entries || (__s64)*entries <= (__s64)uspan_config.in_flight_keep)
		return;
	swept = bpf_map_lookup_elem(&open_span_swept, &source);
	if (swept && (__s64)(*entries - *swept) > (__s64)uspan_config.in_flight_keep)
		span_delete(map, source, key);
}

/* The span that is open in an entry will not end. */
static __always_inline void span_abandon(struct uspan_open_span *span)
{
	count(USPAN_COUNTER_LOST_NEVER_ENDED);
	span->open = 0;
}

/* Begins anew in an entry, now. The first `kept` bytes of the fields stay. */
static __always_inline void span_start(struct uspan_open_span *span, __u16 kept)
{
	/* A child copies the ids of an open span, and then checks that it is still open: see adopt() in go/link.h. */
	keep_order(&span->open);
	span->head.start_ktime_ns = bpf_ktime_get_ns();
	span->head.span_flags = 0;
	span->used = kept;
	span->late = 0;
}

enum span_parent {
	SPAN_ROOT = 0,   /* none */
	SPAN_REMOTE = 1, /* head has its trace, id and flags from a text that came from elsewhere: the sampler decides */
};

/* Gives a span its ids, and decides whether it is sampled. */
static __always_inline void span_begin(struct uspan_open_span *span, const struct uspan_probe_head *probe, __u64 owner,
				       enum span_parent parent)
{
	__u64 state = id_state(span->head.start_ktime_ns, owner);

	put_span_id(&span->head, state);
	if (parent == SPAN_ROOT)
		put_new_trace(&span->head, state);
	span->sampled = is_sampled(probe, &span->head, parent == SPAN_REMOTE);
	keep_order(&span->open);
	span->open = 1;
}

/* The same for the child of a span of this agent. head has its trace, id and flags, and the child follows its sampling decision. */
static __always_inline void span_begin_child(struct uspan_open_span *span, __u64 owner, bool sampled)
{
	put_span_id(&span->head, id_state(span->head.start_ktime_ns, owner));
	span->sampled = sampled;
	span->open = 1;
}

#define LATE_HEADS_BYTES 64

/*
 * Reads a text of `len` bytes. Returns how many it has. A string can have fewer, or one more, which means that it is longer. Negative: an
 * error.
 */
static __always_inline long read_late(__u8 *to, __u64 len, const struct uspan_late_text *text)
{
	long error;

	if (text->from == USPAN_LATE_STRING)
		return read_user_string(to, len + 2, text->ptr) - 1;
	if (text->from == USPAN_LATE_KERNEL)
		error = bpf_probe_read_kernel(to, len, (void *)text->ptr);
	else
		error = read_user(to, len, text->ptr);
	return error ? -1 : (long)len;
}

/*
 * Sends a record with late texts. A buffer takes it, because the entry has no room for them. Global, so that the verifier walks it once in
 * each program.
 */
__noinline int send_late(struct uspan_open_span *span)
{
	struct uspan_large *buffer;
	__u32 used, at;

	if (!span)
		return 0;
	buffer = take_large();
	if (!buffer) {
		count(USPAN_COUNTER_LOST_RING_FULL);
		return 0;
	}
	used = span->used;
	if (used > USPAN_FIELDS_BYTES)
		used = USPAN_FIELDS_BYTES; /* Never: for the verifier. */
	bpf_probe_read_kernel(buffer->bytes, sizeof(span->head) + USPAN_FIELDS_BYTES, &span->head);
	at = sizeof(span->head) + used;
	for (__u32 i = 0; i < USPAN_LATE_TEXTS; i++) {
		const struct uspan_late_text *text = &span->late_text[i];
		struct uspan_field_head head = { .field = text->field, .marks = text->marks };
		__u32 len = text->len;
		long bytes;

		if (i >= span->late)
			break;
		/* The heads of the fields behind it always fit. */
		if (at + len > USPAN_LARGE_BYTES - LATE_HEADS_BYTES) {
			len = at < USPAN_LARGE_BYTES - LATE_HEADS_BYTES ? USPAN_LARGE_BYTES - LATE_HEADS_BYTES - at : 0;
			head.marks |= USPAN_FIELD_CUT;
		}
		len &= USPAN_LARGE_BYTES - 1;
		bytes = read_late(buffer->bytes + (at & (USPAN_LARGE_BYTES - 1)) + sizeof(head), len, text);
		if (bytes < 0) {
			head.marks |= USPAN_FIELD_UNREADABLE;
			len = 0;
		} else if (bytes < len) {
			len = bytes;
		} else if (bytes > len) {
			head.marks |= USPAN_FIELD_CUT;
		}
		head.len = len;
		*(struct uspan_field_head *)(buffer->bytes + (at & (USPAN_LARGE_BYTES - 1))) = head;
		at += sizeof(head) + ((len + 3) & ~3u);
	}
	barrier_var(at);
	if (at <= USPAN_LARGE_BYTES)
		submit(buffer->bytes, at);
	give_large(buffer);
	return 0;
}

/* Fills in what every record begins with. The end is now, unless `end_ktime_ns` gives it. */
static __always_inline void span_finish_head(struct uspan_open_span *span, const struct site *site, __u64 pid_tgid, __u16 source,
					     __u64 end_ktime_ns)
{
	span->head.head.ktime_ns = end_ktime_ns;
	span->head.head.pid = pid_tgid >> 32;
	span->head.head.tid = (__u32)pid_tgid;
	span->head.head.kind = source;
	span->head.head.probe_id = site->probe_id;
}

/* Sends a finished record. */
static __always_inline void span_send(struct uspan_open_span *span)
{
	__u32 used = span->used;

	if (span->late) {
		send_late(span);
		return;
	}
	barrier_var(used);
	if (used <= USPAN_FIELDS_BYTES)
		submit(&span->head, sizeof(span->head) + used);
}

#endif
