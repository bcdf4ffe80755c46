/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A span between two probes that the same thread reaches one after the other, as data says (struct uspan_pair_config). A start within an
 * open pair of its probe begins a pair of its own, which is a child of the open one.
 *
 * An end may never come, because an exception or longjmp left the code between. A start at the same site shows that, if its stack pointer
 * is not below the one that an open pair began at: the frame of that pair is gone, or began anew.
 */
#ifndef USPAN_PAIR_H
#define USPAN_PAIR_H

#include "span/life.h"
#include "usdt/arguments.h"

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_pair_config);
} pair_configs SEC(".maps");

/* When the next span may come, if the rate is limited. Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, __u64);
} pair_due SEC(".maps");

/* Owner: the thread. Slot: the attachment id, and the depth, 0 for the outermost pair, which stays for its thread's next pair. */
OPEN_SPANS(open_pairs);

#define DEPTH_BITS 16

static __always_inline struct uspan_pair_frame *frame_of(struct uspan_open_span *pair)
{
	return (struct uspan_pair_frame *)pair->own;
}

/* What one text may take while its length is unknown, including what put_string() reads beyond it. */
#define TEXT_ROOM 260

/* Puts a text. `length`: its length, if it has no NUL. */
static __always_inline void capture_text(struct uspan_open_span *pair, __u32 field, __u64 from, const __u64 *length)
{
	struct uspan_pair_frame *frame = frame_of(pair);
	__u32 before = pair->used, max = USPAN_PAIR_TEXT_MAX_BYTES;
	int error;

	if (frame->text_bytes + TEXT_ROOM > USPAN_PAIR_TEXT_BYTES) {
		span_put_mark(pair, field, USPAN_FIELD_CUT);
		return;
	}
	if (!length)
		error = put_string(pair, from, max, field);
	else if (*length > max)
		error = put_text(pair, from, max, field | USPAN_FIELD_CUT << 8);
	else
		error = put_text(pair, from, *length, field);
	if (error)
		frame->unreadable = 1;
	/* A text that is read at the end takes nothing. */
	if (pair->used > before)
		frame->text_bytes += pair->used - before - FIELD_HEAD;
}

struct capture_context {
	struct uspan_open_span *pair;
	const struct uspan_pair_config *config;
	const struct usdt_hit *hit;
	__u64 moment;
};

/* Keeps one argument, if it belongs to this moment. For bpf_loop: the verifier walks it once, not for every argument of every moment. */
static long capture_one(__u32 i, struct capture_context *context)
{
	const struct uspan_pair_config *config = context->config;
	struct uspan_open_span *pair = context->pair;
	struct uspan_pair_frame *frame = frame_of(pair);
	const struct uspan_pair_capture *capture;
	__u64 value = 0, length = 0;
	bool is_text;

	if (i >= USPAN_PAIR_CAPTURES)
		return 1;
	capture = &config->capture[i];
	if (capture->kind == USPAN_PAIR_CAPTURE_NONE || capture->moment != context->moment)
		return 0;
	/* The first of several counts. */
	if (capture->moment == USPAN_PAIR_DURING && frame->seen & (1 << i))
		return 0;
	frame->seen |= 1 << i;
	is_text = capture->kind == USPAN_PAIR_CAPTURE_TEXT;
	if (!usdt_argument(context->hit, capture->argument, &value) ||
	    (is_text && !usdt_argument(context->hit, capture->length_argument, &length))) {
		span_put_mark(pair, i, USPAN_FIELD_UNREADABLE);
		frame->unreadable = 1;
	} else if (capture->kind == USPAN_PAIR_CAPTURE_NUMBER) {
		span_put_u64(pair, i, value);
	} else {
		capture_text(pair, i, value, is_text ? &length : 0);
	}
	return 0;
}

/* Keeps the wanted arguments of a site. */
static __always_inline void capture(const struct pt_regs *ctx, struct uspan_open_span *pair,
				    const struct uspan_pair_config *config, const struct site *site)
{
	struct usdt_hit hit;
	struct capture_context context = { .pair = pair, .config = config, .hit = &hit, .moment = site->moment };

	if (config->captures == 0)
		return;
	usdt_hit(&hit, ctx, site);
	bpf_loop(config->captures, capture_one, &context, 0);
}

static __always_inline void set_depth(struct uspan_open_span_key *key, __u32 depth)
{
	key->slot = (key->slot >> DEPTH_BITS << DEPTH_BITS) | depth;
}

static __always_inline struct uspan_open_span *pair_at(struct uspan_open_span_key *key, __u32 depth)
{
	set_depth(key, depth);
	return span_find(&open_pairs, key);
}

/* Drops pairs whose end cannot come any more, from the innermost outwards. Returns how many are left. */
static __always_inline __u32 drop_stale(struct uspan_open_span_key *key, __u32 open, __u64 ip, __u64 sp)
{
	__u32 left = open;

	for (__u32 depth = 0; depth < USPAN_PAIR_MAX_DEPTH; depth++) {
		struct uspan_open_span *pair;

		if (depth >= open)
			break;
		pair = pair_at(key, depth);
		if (pair && frame_of(pair)->ip == ip && frame_of(pair)->sp <= sp) {
			left = depth;
			break;
		}
	}
	for (__u32 depth = 1; depth < USPAN_PAIR_MAX_DEPTH; depth++) {
		set_depth(key, depth);
		if (depth >= left && depth < open)
			span_delete(&open_pairs, USPAN_EVENT_PAIR, key);
	}
	for (__u32 n = 0; n < USPAN_PAIR_MAX_DEPTH; n++) {
		if (n < open - left)
			count(USPAN_COUNTER_LOST_NEVER_ENDED);
	}
	return left;
}

/* Gives a root its ids, once. */
static __always_inline void begin(struct uspan_open_span *pair, const struct uspan_pair_config *config, __u64 owner)
{
	__u32 open = pair->open;

	if (frame_of(pair)->begun)
		return;
	frame_of(pair)->begun = 1;
	span_begin(pair, &config->probe, owner, SPAN_ROOT);
	pair->open = open;
}

static __always_inline void begin_within(struct uspan_open_span *pair, struct uspan_open_span *parent, __u64 owner)
{
	frame_of(pair)->begun = 1;
	__builtin_memcpy(pair->head.trace_id, parent->head.trace_id, 16);
	__builtin_memcpy(pair->head.parent_span_id, parent->head.span_id, 8);
	pair->head.trace_flags = parent->head.trace_flags;
	span_begin_child(pair, owner, parent->sampled);
}

static __always_inline void start(const struct pt_regs *ctx, struct uspan_open_span_key *key,
				  const struct uspan_pair_config *config, const struct site *site)
{
	__u64 ip = USDT_IP(ctx), sp = USDT_SP(ctx);
	struct uspan_open_span *outermost, *pair, *parent = 0;
	struct uspan_pair_frame *frame;
	__u32 depth = 0;

	outermost = pair_at(key, 0);
	if (outermost && outermost->open) {
		depth = drop_stale(key, outermost->open, ip, sp);
		if (depth >= USPAN_PAIR_MAX_DEPTH) {
			outermost->open = depth + 1;
			count(USPAN_COUNTER_LOST_TOO_DEEP);
			return;
		}
		if (depth > 0) {
			parent = pair_at(key, depth - 1);
			/* This comes before there is an entry. Without an entry, the coming end must not be taken for the parent's. */
			outermost->open = depth + 1;
		}
		set_depth(key, depth);
	}
	pair = outermost && depth == 0 ? outermost : span_new(&open_pairs, USPAN_EVENT_PAIR, key);
	if (!pair)
		return;
	span_start(pair, 0);
	pair->open = 1;
	pair->sampled = 1; /* until it has its ids */
	frame = frame_of(pair);
	frame->ip = ip;
	frame->sp = sp;
	frame->seen = 0;
	frame->text_bytes = 0;
	frame->begun = 0;
	frame->unreadable = 0;
	if (parent) {
		begin(parent, config, key->owner);
		begin_within(pair, parent, key->owner);
	} else if (config->min_duration_ns == 0) {
		begin(pair, config, key->owner);
	}
	if (pair->sampled)
		capture(ctx, pair, config, site);
}

/* A bucket of tokens (the generic cell rate algorithm): `due` is when everything that was spent has been earned again. */
static __always_inline bool within_rate(const struct uspan_pair_config *config, __u32 probe_id, __u64 now)
{
	__u64 *due, before, from;

	if (config->period_ns == 0)
		return true;
	due = bpf_map_lookup_elem(&pair_due, &probe_id);
	if (!due)
		return false;
	before = *due;
	from = before > now ? before : now;
	if (from - now > config->burst_ns)
		return false;
	/* A program that lost the race spends no token: one span too many, once in a while. */
	__sync_val_compare_and_swap(due, before, from + config->period_ns);
	return true;
}

/* Most pairs with a shortest duration are shorter, such as garbage collections. They never get ids. */
static __always_inline void finish(const struct pt_regs *ctx, struct uspan_open_span *pair, __u64 owner,
				   const struct uspan_pair_config *config, const struct site *site)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - pair->head.start_ktime_ns < config->min_duration_ns) {
		count(USPAN_COUNTER_TOO_SHORT);
		return;
	}
	begin(pair, config, owner);
	if (!pair->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
		return;
	}
	if (!within_rate(config, site->probe_id, now)) {
		count(USPAN_COUNTER_RATE_LIMITED);
		return;
	}
	capture(ctx, pair, config, site);
	if (frame_of(pair)->unreadable)
		count(USPAN_COUNTER_ARGUMENT_UNREADABLE);
	span_finish_head(pair, site, owner, USPAN_EVENT_PAIR, now);
	span_send(pair);
}

static __always_inline void end(const struct pt_regs *ctx, struct uspan_open_span_key *key,
				const struct uspan_pair_config *config, const struct site *site)
{
	struct uspan_open_span *outermost = pair_at(key, 0), *pair;
	__u32 depth;

	if (!outermost || outermost->open == 0) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	depth = outermost->open - 1;
	outermost->open = depth;
	if (depth >= USPAN_PAIR_MAX_DEPTH)
		return; /* its start was too deep to be followed */
	pair = depth == 0 ? outermost : pair_at(key, depth);
	if (!pair)
		return;
	finish(ctx, pair, key->owner, config, site);
	if (depth == 0)
		span_release(&open_pairs, USPAN_EVENT_PAIR, key);
	else
		span_delete(&open_pairs, USPAN_EVENT_PAIR, key);
}

/* A probe that is reached while a pair is open. It adds arguments to the innermost one. */
static __always_inline void during(const struct pt_regs *ctx, struct uspan_open_span_key *key,
				   const struct uspan_pair_config *config, const struct site *site)
{
	struct uspan_open_span *pair = pair_at(key, 0);

	if (pair && pair->open > 1)
		pair = pair_at(key, pair->open - 1);
	if (pair && pair->open && pair->sampled)
		capture(ctx, pair, config, site);
}

/* A target, or forked by one: workers of a server that was selected by its pid or port. */
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
	__u64 thread = bpf_get_current_pid_tgid();
	struct uspan_open_span_key key = { .owner = thread, .pid = thread >> 32, .slot = site.probe_id << DEPTH_BITS };
	const struct uspan_pair_config *config = bpf_map_lookup_elem(&pair_configs, &site.probe_id);

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted_with_parent(config->probe.filter_by_process, key.pid)) {
		if (site.moment == USPAN_PAIR_START)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	if (site.moment == USPAN_PAIR_START)
		start(ctx, &key, config, &site);
	else if (site.moment == USPAN_PAIR_END)
		end(ctx, &key, config, &site);
	else
		during(ctx, &key, config, &site);
	return 0;
}

#endif
