/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A span between two USDT probes that the same thread reaches one after the other, as data says (struct uspan_usdt_pair_config).
 * A start within an open pair of its probe is a pair of its own inside of that one, and its child.
 *
 * An end may never come: an exception or longjmp left the code between. A start at the same site with a stack pointer that is not below
 * the one an open pair began at says so: the frame that pair began in is gone, or began anew.
 */
#ifndef USPAN_USDT_PAIR_H
#define USPAN_USDT_PAIR_H

#include "span/traceparent.h"
#include "usdt/arguments.h"

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_usdt_pair_config);
} usdt_pair_configs SEC(".maps");

/* When the next span may come where the rate is limited. Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, __u64);
} usdt_pair_due SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_usdt_frame_key);
	__type(value, struct uspan_usdt_frame);
} usdt_frames SEC(".maps");

/* All zero: what a new frame starts from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_usdt_frame);
} usdt_blank_frame SEC(".maps");

/* Frames in usdt_frames, with those the agent has swept; touched only when one comes or goes. */
static __u64 usdt_frames_entries;
/* Frames the agent has removed. Only the agent writes it, in a map of its own, so neither overwrites the other's count. */
volatile __u64 usdt_frames_swept SEC(".data.swept");

/* Appends a text to the frame's; bytes kept, or a negative error. */
static __always_inline long keep_text(struct uspan_usdt_frame *frame, __u64 from, bool has_length, __u64 length, bool *cut)
{
	__u32 offset = frame->text_bytes;
	__u8 *to = frame->text + (offset & (USPAN_USDT_TEXT_BYTES - 1));
	long bytes;

	if (offset + USPAN_USDT_TEXT_MAX_BYTES > USPAN_USDT_TEXT_BYTES) {
		*cut = true;
		return 0;
	}
	if (has_length) {
		*cut = length > USPAN_USDT_TEXT_MAX_BYTES;
		bytes = *cut ? USPAN_USDT_TEXT_MAX_BYTES : length;
		if (read_user(to, bytes & USPAN_USDT_TEXT_MAX_BYTES, from))
			return -1;
	} else {
		/* With room for one character more, to tell a string that was cut. */
		bytes = read_user_string(to, USPAN_USDT_TEXT_MAX_BYTES + 2, from) - 1;
		*cut = bytes > USPAN_USDT_TEXT_MAX_BYTES;
		if (*cut)
			bytes = USPAN_USDT_TEXT_MAX_BYTES;
	}
	if (bytes > 0)
		frame->text_bytes = offset + bytes;
	return bytes;
}

struct capture_context {
	struct uspan_usdt_frame *frame;
	const struct uspan_usdt_pair_config *config;
	const struct usdt_hit *hit;
	__u64 moment;
};

/* Keeps one argument, if it is one of this moment. For bpf_loop: the verifier walks it once, not for every argument of every moment. */
static long capture_one(__u32 i, struct capture_context *context)
{
	const struct uspan_usdt_pair_config *config = context->config;
	struct uspan_usdt_frame *frame = context->frame;
	struct uspan_usdt_event *event = &frame->event;
	const struct uspan_usdt_capture *capture;
	__u64 value = 0, length = 0;
	bool cut = false;
	long bytes;

	if (i >= USPAN_USDT_CAPTURES)
		return 1;
	capture = &config->capture[i];
	if (capture->kind == USPAN_USDT_CAPTURE_NONE || capture->moment != context->moment)
		return 0;
	/* The first of several tells. */
	if (capture->moment == USPAN_USDT_DURING && event->seen & (1 << i))
		return 0;
	event->seen |= 1 << i;
	event->value[i] = 0;
	if (!usdt_argument(context->hit, capture->argument, &value) ||
	    (capture->kind == USPAN_USDT_CAPTURE_TEXT && !usdt_argument(context->hit, capture->length_argument, &length))) {
		event->unreadable |= 1 << i;
		return 0;
	}
	if (capture->kind == USPAN_USDT_CAPTURE_NUMBER) {
		event->value[i] = value;
		return 0;
	}
	bytes = keep_text(frame, value, capture->kind == USPAN_USDT_CAPTURE_TEXT, length, &cut);
	if (bytes < 0)
		event->unreadable |= 1 << i;
	else
		event->value[i] = bytes;
	if (cut)
		event->cut |= 1 << i;
	return 0;
}

/* Keeps what is wanted of a site's arguments. */
static __always_inline void capture(const struct pt_regs *ctx, struct uspan_usdt_frame *frame,
				    const struct uspan_usdt_pair_config *config, const struct site *site)
{
	struct usdt_hit hit;
	struct capture_context context = { .frame = frame, .config = config, .hit = &hit, .moment = site->moment };

	if (config->captures == 0)
		return;
	usdt_hit(&hit, ctx, site);
	bpf_loop(config->captures, capture_one, &context, 0);
}

static __always_inline struct uspan_usdt_frame *new_frame(const struct uspan_usdt_frame_key *key)
{
	struct uspan_usdt_frame *blank;
	__u32 first = 0;

	blank = bpf_map_lookup_elem(&usdt_blank_frame, &first);
	if (!blank || bpf_map_update_elem(&usdt_frames, key, blank, BPF_ANY)) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	__sync_fetch_and_add(&usdt_frames_entries, 1);
	return bpf_map_lookup_elem(&usdt_frames, key);
}

/* Begins anew in the frame of a pair that is over. */
static __always_inline void clear_frame(struct uspan_usdt_frame *frame)
{
	frame->text_bytes = 0;
	frame->event.seen = 0;
	frame->event.unreadable = 0;
	frame->event.cut = 0;
	frame->event.span.span_flags = 0;
}

static __always_inline void delete_frame(const struct uspan_usdt_frame_key *key)
{
	if (bpf_map_delete_elem(&usdt_frames, key) == 0)
		__sync_fetch_and_add(&usdt_frames_entries, -1);
}

/*
 * The outermost frame stays for its thread's next pair, which saves two map writes a pair. Only the first half of the map may be held
 * that way, so the other half is always there for open pairs.
 */
static __always_inline void keep_or_delete(const struct uspan_usdt_frame_key *key)
{
	__s64 entries = usdt_frames_entries - usdt_frames_swept;

	if (entries > (__s64)uspan_config.in_flight_keep)
		delete_frame(key);
}

static __always_inline struct uspan_usdt_frame *frame_at(struct uspan_usdt_frame_key *key, __u32 depth)
{
	key->depth = depth;
	return bpf_map_lookup_elem(&usdt_frames, key);
}

/* Drops pairs whose end can't come any more, from the innermost out; how many are left. */
static __always_inline __u32 drop_stale(struct uspan_usdt_frame_key *key, __u32 open, __u64 ip, __u64 sp)
{
	__u32 left = open;

	for (__u32 depth = 0; depth < USPAN_USDT_MAX_DEPTH; depth++) {
		struct uspan_usdt_frame *frame;

		if (depth >= open)
			break;
		frame = frame_at(key, depth);
		if (frame && frame->ip == ip && frame->sp <= sp) {
			left = depth;
			break;
		}
	}
	for (__u32 depth = 1; depth < USPAN_USDT_MAX_DEPTH; depth++) {
		key->depth = depth;
		if (depth >= left && depth < open)
			delete_frame(key);
	}
	for (__u32 n = 0; n < USPAN_USDT_MAX_DEPTH; n++) {
		if (n < open - left)
			count(USPAN_COUNTER_LOST_NEVER_ENDED);
	}
	return left;
}

static __always_inline void start(const struct pt_regs *ctx, struct uspan_usdt_frame_key *key,
				  const struct uspan_usdt_pair_config *config, const struct site *site)
{
	__u64 now = bpf_ktime_get_ns(), ip = USDT_IP(ctx), sp = USDT_SP(ctx);
	struct uspan_usdt_frame *outermost, *frame, *parent = 0;
	struct uspan_span_head *span;
	__u32 depth = 0;

	outermost = frame_at(key, 0);
	if (outermost && outermost->open) {
		depth = drop_stale(key, outermost->open, ip, sp);
		if (depth >= USPAN_USDT_MAX_DEPTH) {
			outermost->open = depth + 1;
			count(USPAN_COUNTER_LOST_TOO_DEEP);
			return;
		}
		if (depth > 0) {
			parent = frame_at(key, depth - 1);
			/* Before there is a frame: without one, the end that comes must not be taken for the parent's. */
			outermost->open = depth + 1;
		}
	}
	key->depth = depth;
	if (outermost && depth == 0) {
		frame = outermost;
		clear_frame(frame);
	} else {
		frame = new_frame(key);
		if (!frame)
			return;
	}
	frame->open = 1;
	frame->ip = ip;
	frame->sp = sp;
	span = &frame->event.span;
	span->start_ktime_ns = now;
	random_bytes(span->span_id, 8);
	span->span_id[7] |= 1;
	if (parent) {
		__builtin_memcpy(span->trace_id, parent->event.span.trace_id, 16);
		__builtin_memcpy(span->parent_span_id, parent->event.span.span_id, 8);
		span->trace_flags = parent->event.span.trace_flags;
		frame->sampled = parent->sampled;
	} else {
		new_trace(span);
		frame->sampled = sample(&uspan_config, span, false);
	}
	if (frame->sampled)
		capture(ctx, frame, config, site);
}

/* A bucket of tokens (the generic cell rate algorithm): `due` is when all that was spent is earned again. */
static __always_inline bool within_rate(const struct uspan_usdt_pair_config *config, __u32 probe_id, __u64 now)
{
	__u64 *due, before, from;

	if (config->period_ns == 0)
		return true;
	due = bpf_map_lookup_elem(&usdt_pair_due, &probe_id);
	if (!due)
		return false;
	before = *due;
	from = before > now ? before : now;
	if (from - now > config->burst_ns)
		return false;
	/* Whoever lost the race spends no token: one span more than allowed, once in a while. */
	__sync_val_compare_and_swap(due, before, from + config->period_ns);
	return true;
}

static __always_inline void finish(const struct pt_regs *ctx, struct uspan_usdt_frame *frame, __u32 pid,
				   const struct uspan_usdt_pair_config *config, const struct site *site)
{
	struct uspan_usdt_event *event = &frame->event;
	__u32 bytes;

	if (!frame->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	finish_head(&event->span, pid, USPAN_EVENT_USDT, site->probe_id);
	if (event->span.head.ktime_ns - event->span.start_ktime_ns < config->min_duration_ns) {
		count(USPAN_COUNTER_TOO_SHORT);
		return;
	}
	if (!within_rate(config, site->probe_id, event->span.head.ktime_ns)) {
		count(USPAN_COUNTER_RATE_LIMITED);
		return;
	}
	capture(ctx, frame, config, site);
	if (event->unreadable) {
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
		count(USPAN_COUNTER_ARGUMENT_UNREADABLE);
	}
	if (event->cut)
		event->span.span_flags |= USPAN_SPAN_CUT;
	bytes = frame->text_bytes;
	submit(event, sizeof(*event) + (bytes > USPAN_USDT_TEXT_BYTES ? USPAN_USDT_TEXT_BYTES : bytes));
}

static __always_inline void end(const struct pt_regs *ctx, struct uspan_usdt_frame_key *key,
				const struct uspan_usdt_pair_config *config, const struct site *site)
{
	struct uspan_usdt_frame *outermost = frame_at(key, 0), *frame;
	__u32 depth;

	if (!outermost || outermost->open == 0) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	depth = outermost->open - 1;
	outermost->open = depth;
	if (depth >= USPAN_USDT_MAX_DEPTH)
		return; /* its start was too deep to be followed */
	frame = depth == 0 ? outermost : frame_at(key, depth);
	if (!frame)
		return;
	finish(ctx, frame, key->pid, config, site);
	key->depth = depth;
	if (depth == 0)
		keep_or_delete(key);
	else
		delete_frame(key);
}

/* A probe reached while a pair is open, which tells more of the innermost one. */
static __always_inline void during(const struct pt_regs *ctx, struct uspan_usdt_frame_key *key,
				   const struct uspan_usdt_pair_config *config, const struct site *site)
{
	struct uspan_usdt_frame *frame = frame_at(key, 0);

	if (frame && frame->open > 1)
		frame = frame_at(key, frame->open - 1);
	if (frame && frame->open && frame->sampled)
		capture(ctx, frame, config, site);
}

/* A target, or forked by one: workers of a server that was chosen by its pid or port. */
static __always_inline bool wanted_with_parent(__u32 filter_by_process, __u32 pid)
{
	struct task_struct *task;

	if (wanted(filter_by_process, pid))
		return true;
	task = bpf_get_current_task_btf();
	return wanted(filter_by_process, task->real_parent->tgid);
}

static __always_inline int pair(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	__u64 id = bpf_get_current_pid_tgid();
	struct uspan_usdt_frame_key key = { .pid = id >> 32, .tid = (__u32)id, .probe_id = site.probe_id };
	const struct uspan_usdt_pair_config *config = bpf_map_lookup_elem(&usdt_pair_configs, &site.probe_id);

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted_with_parent(config->probe.filter_by_process, key.pid)) {
		if (site.moment == USPAN_USDT_START)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	if (site.moment == USPAN_USDT_START)
		start(ctx, &key, config, &site);
	else if (site.moment == USPAN_USDT_END)
		end(ctx, &key, config, &site);
	else
		during(ctx, &key, config, &site);
	return 0;
}

#endif
