/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Finds a few keys in an http.Header, which is a map[string][]string, without hashing. The maps are small, so every occupied slot is looked
 * at, first by the length of its key. Layouts: Go's src/internal/runtime/maps and src/runtime/map_noswiss.go. The offsets come from the
 * binary's own type descriptors.
 */
#ifndef USPAN_GO_HEADERS_H
#define USPAN_GO_HEADERS_H

#include "common/blank.h"
#include "span/counters.h"
#include "span/trace_text.h"

#define GROUP_SLOTS 8
#define MAP_BYTES 48 /* both maps.Map and runtime.hmap */
#define MAX_GROUPS 32 /* swiss: 128 slots a table; hmap: the 16 buckets of up to 104 headers, and their overflow buckets */

struct header_scan {
	__u64 traceparent; /* address of the []string's first string, 0: none */
	__u64 traceparent_values;
	__u64 tracestate;
	__u64 tracestate_values;
	__u64 user_agent;
	__u64 left;        /* occupied slots not seen yet */
	__u64 groups;      /* the array of groups (swiss) or buckets (hmap) that is being walked */
	__u64 group_count;
	__u64 group;       /* index of the next */
	__u64 overflow;    /* hmap: next bucket of the chain that was just scanned, which goes first */
	__u64 old_groups;  /* hmap: array to walk after this, half as long */
	__u64 names[2];    /* known addresses of the texts "User-Agent" and "Connection"; 0: unknown */
	__u64 near;        /* an address in the program, for is_constant() */
};

/*
 * Whether a text is a constant of the program, which is never freed or changed: it lies near its code. Go's heap is elsewhere: its first
 * arena is at 0xc000000000 (runtime/malloc.go), far from where programs and libraries are loaded.
 */
static __always_inline bool is_constant(__u64 text, __u64 near)
{
	return text - near + (1u << 30) < 2ull << 30;
}

/* One slot: key string and []string value, both copied from the map. */
static __always_inline void scan_slot(struct header_scan *scan, const __u8 *key, const __u8 *elem)
{
	__u64 key_len = *(__u64 *)(key + 8), values = *(__u64 *)elem, values_len = *(__u64 *)(elem + 8);
	__u64 text = *(__u64 *)key;
	__u8 name[16] = {};

	if (values_len == 0)
		return;
	if (key_len == 11) {
		if (bpf_probe_read_user(name, 11, (void *)text) == 0 && __builtin_memcmp(name, "Traceparent", 11) == 0) {
			scan->traceparent = values;
			scan->traceparent_values = values_len;
		}
	} else if (key_len == 10) {
		/* net/textproto has one text for each of the common names: commonHeader in its reader.go. */
		if (text == scan->names[0]) {
			scan->user_agent = values;
			return;
		}
		if (text == scan->names[1] || bpf_probe_read_user(name, 10, (void *)text))
			return;
		if (__builtin_memcmp(name, "User-Agent", 10) == 0) {
			scan->user_agent = values;
			if (is_constant(text, scan->near))
				scan->names[0] = text;
		} else if (__builtin_memcmp(name, "Tracestate", 10) == 0) {
			scan->tracestate = values;
			scan->tracestate_values = values_len;
		} else if (__builtin_memcmp(name, "Connection", 10) == 0 && is_constant(text, scan->near)) {
			scan->names[1] = text;
		}
	}
}

static __always_inline bool occupied(const struct uspan_go_map_layout *map, __u64 control, __u32 slot)
{
	__u32 mark = control >> (8 * slot) & 0xff;

	/* swiss: the top bit marks empty or deleted; hmap: below 5 (minTopHash) is empty or moved. */
	return map->kind == USPAN_GO_MAP_SWISS ? !(mark & 0x80) : mark >= 5;
}

/*
 * Reads a group whose tail lies on a page that was never touched, and so cannot be read: Go takes zeroed pages from the kernel, and does
 * not write to slots that it does not use. Used slots have been written to. False if even the marks cannot be read.
 */
static __always_inline bool read_group_by_slot(const struct uspan_go_map_layout *map, struct uspan_scratch *raw, __u64 address)
{
	__u64 control;

	if (bpf_probe_read_user(raw->bytes, sizeof(control), (void *)address))
		return false;
	control = *(__u64 *)raw->bytes;
	for (__u32 i = 0; i < GROUP_SLOTS; i++) {
		__u32 key = map->group_keys + i * map->group_key_stride;
		__u32 elem = map->group_elems + i * map->group_elem_stride;

		if (!occupied(map, control, i) || key > USPAN_RAW_BYTES - 16 || elem > USPAN_RAW_BYTES - 16)
			continue;
		bpf_probe_read_user(raw->bytes + key, 16, (void *)(address + key));
		bpf_probe_read_user(raw->bytes + elem, 16, (void *)(address + elem));
	}
	if (map->bucket_overflow <= USPAN_RAW_BYTES - 8)
		bpf_probe_read_user(raw->bytes + map->bucket_overflow, 8, (void *)(address + map->bucket_overflow));
	return true;
}

/*
 * A group (swiss) or bucket (hmap): 8 control bytes, then slots. `raw` is lent. Global, so that the verifier walks it once and not per
 * call.
 */
__noinline int scan_group(struct header_scan *scan, const struct uspan_go_map_layout *map, struct uspan_scratch *raw, __u64 address)
{
	__u64 control;
	__u32 bytes;

	if (!scan || !map || !raw)
		return 0;
	scan->overflow = 0;
	bytes = map->group_bytes;
	barrier_var(bytes);
	if (bytes > USPAN_RAW_BYTES)
		return 0;
	/* A failed read leaves zeros: no overflow, and no length for slots that cannot be read. */
	if (bpf_probe_read_user(raw->bytes, bytes, (void *)address) &&
	    !read_group_by_slot(map, raw, address))
		return 0;
	control = *(__u64 *)raw->bytes;
	for (__u32 i = 0; i < GROUP_SLOTS; i++) {
		__u32 key = map->group_keys + i * map->group_key_stride;
		__u32 elem = map->group_elems + i * map->group_elem_stride;

		if (!occupied(map, control, i))
			continue;
		if (key > USPAN_RAW_BYTES - 16 || elem > USPAN_RAW_BYTES - 16)
			break;
		if (scan->left)
			scan->left--;
		scan_slot(scan, raw->bytes + key, raw->bytes + elem);
	}
	if (map->bucket_overflow <= USPAN_RAW_BYTES - 8)
		scan->overflow = *(__u64 *)(raw->bytes + map->bucket_overflow);
	return 0;
}

static __always_inline __u64 read_u64(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* 8 bytes at `offset` of what was last read into raw->bytes. */
static __always_inline __u64 raw_word(const struct uspan_scratch *raw, __u32 offset)
{
	/* Each offset needs a bound of its own: the verifier does not carry one over from `offset` to `offset + 8`. */
	barrier_var(offset);
	return offset > USPAN_RAW_BYTES - 8 ? 0 : *(__u64 *)(raw->bytes + offset);
}

/* A string at `offset` of the same. */
static __always_inline struct uspan_text_ref raw_text(const struct uspan_scratch *raw, __u32 offset)
{
	struct uspan_text_ref text = {};

	barrier_var(offset);
	if (offset <= USPAN_RAW_BYTES - sizeof(text))
		__builtin_memcpy(&text, raw->bytes + offset, sizeof(text));
	return text;
}

/*
 * Address of the next group, left in scan->overflow. 0: none. Global, like scan_group, so that the verifier does not follow every path
 * through every group.
 */
__noinline int next_group(struct header_scan *scan, const struct uspan_go_map_layout *map)
{
	if (!scan || !map || scan->overflow)
		return 0;
	if (scan->group >= scan->group_count) {
		if (!scan->old_groups)
			return 0;
		scan->groups = scan->old_groups;
		scan->group_count >>= 1;
		scan->group = scan->old_groups = 0;
	}
	scan->overflow = scan->groups + scan->group++ * map->group_bytes;
	return 0;
}

/*
 * internal/runtime/maps.Map: one group and no table, or a directory of tables of groups. A table holds up to 896 headers, so only the first
 * one can be walked here.
 */
static __always_inline void find_swiss_groups(struct header_scan *scan, const struct uspan_go_map_layout *map,
					      const struct uspan_scratch *raw)
{
	__u64 table;

	scan->groups = raw_word(raw, map->dir_ptr);
	scan->group_count = 1;
	if (raw_word(raw, map->dir_len) == 0)
		return;
	table = read_u64(scan->groups);
	scan->groups = read_u64(table + map->table_groups);
	scan->group_count = read_u64(table + map->table_length_mask) + 1;
}

/*
 * runtime.hmap: 2^B buckets, each with a chain of overflow buckets. While the map grows, what has not moved yet is in half as many buckets
 * at `oldbuckets`, the field behind `buckets`. The old ones mark what has moved.
 */
static __always_inline void find_hmap_buckets(struct header_scan *scan, const struct uspan_go_map_layout *map,
					      const struct uspan_scratch *raw)
{
	scan->groups = raw_word(raw, map->dir_ptr);
	scan->old_groups = raw_word(raw, map->dir_ptr + 8);
	scan->group_count = 1ull << (raw_word(raw, map->dir_len) & 15);
}

static __always_inline void put_raw_word(struct uspan_scratch *raw, __u32 offset, __u64 value)
{
	if (offset <= USPAN_RAW_BYTES - 8)
		*(__u64 *)(raw->bytes + offset) = value;
}

/* As read_group_by_slot(): the map's tail may lie on a page that was never touched, and is then zero. False if its head is unreadable. */
static __always_inline bool read_map_by_word(const struct uspan_go_map_layout *map, struct uspan_scratch *raw, __u64 address)
{
	__u64 used;

	if (bpf_probe_read_user(&used, sizeof(used), (void *)(address + map->used)))
		return false;
	put_raw_word(raw, map->dir_ptr, read_u64(address + map->dir_ptr));
	put_raw_word(raw, map->dir_ptr + 8, read_u64(address + map->dir_ptr + 8));
	put_raw_word(raw, map->dir_len, read_u64(address + map->dir_len));
	put_raw_word(raw, map->used, used);
	return true;
}

/* Searches the header map at `address`. False if it holds more than is searched. */
static __always_inline bool scan_headers(struct header_scan *scan, const struct uspan_go_map_layout *map,
					 struct uspan_scratch *raw, __u64 address)
{
	if (bpf_probe_read_user(raw->bytes, MAP_BYTES, (void *)address) && !read_map_by_word(map, raw, address))
		return false;
	scan->left = raw_word(raw, map->used);
	if (scan->left == 0)
		return true;
	if (map->kind == USPAN_GO_MAP_SWISS)
		find_swiss_groups(scan, map, raw);
	else
		find_hmap_buckets(scan, map, raw);
	for (__u32 i = 0; i < MAX_GROUPS && scan->left; i++) {
		next_group(scan, map);
		if (!scan->overflow)
			break;
		scan_group(scan, map, raw, scan->overflow);
	}
	return scan->left == 0;
}

#define HEADER_BYTES 120 /* how much of a traceparent is read: with blanks around it, or of a version to come */
#define MAX_BLANKS 32    /* that are taken off each end of it */

/* How many blanks are at the start of `raw`. Global, like the next one, so that the verifier does not walk one for each end of the other. */
__noinline int blanks_in_front(const struct uspan_scratch *raw)
{
	if (!raw)
		return 0;
	for (__u32 i = 0; i < MAX_BLANKS; i++)
		if (!is_blank(raw->bytes[i]))
			return i;
	return MAX_BLANKS;
}

/* The same at the end of its first `len` bytes. */
__noinline int blanks_behind(const struct uspan_scratch *raw, __u32 len)
{
	if (!raw)
		return 0;
	for (__u32 i = 0; i < MAX_BLANKS; i++) {
		__u64 at = len - 1 - i;

		barrier_var(at);
		if (at >= HEADER_BYTES || !is_blank(raw->bytes[at]))
			return i;
	}
	return MAX_BLANKS;
}

/*
 * Parses a header that is in the process's memory. `raw` is lent. Blanks around a header's value are no part of it (RFC 9110 section 5.5).
 * net/textproto takes them off what it reads, but a program's own headers have them until they are written.
 */
static __always_inline bool parse_header(struct uspan_text_ref header, struct uspan_scratch *raw, struct uspan_span_head *span)
{
	__u32 bytes = header.len, len = header.len;
	__u64 from = 0;

	if (header.len < TRACEPARENT_BYTES)
		return false;
	if (header.len > HEADER_BYTES)
		bytes = HEADER_BYTES;
	barrier_var(bytes);
	if (bytes > HEADER_BYTES || bpf_probe_read_user(raw->bytes, bytes, (void *)header.ptr))
		return false;
	if (header.len > TRACEPARENT_BYTES) {
		from = blanks_in_front(raw);
		if (header.len <= HEADER_BYTES)
			len -= blanks_behind(raw, bytes);
		len -= from;
		barrier_var(from);
		if (len < TRACEPARENT_BYTES || from > MAX_BLANKS)
			return false;
	}
	return parse_trace(span, (struct trace_text *)(raw->bytes + from), len);
}

/*
 * Takes the trace and the parent of `span` from the traceparent that was found. False if there is none, or it is malformed. `raw` is lent.
 */
static __always_inline bool take_traceparent(const struct header_scan *scan, struct uspan_scratch *raw, struct uspan_span_head *span)
{
	struct uspan_text_ref header = {};

	if (!scan->traceparent)
		return false;
	/* Two traceparent headers are malformed. */
	if (scan->traceparent_values == 1 && bpf_probe_read_user(&header, sizeof(header), (void *)scan->traceparent) == 0 &&
	    parse_header(header, raw, span))
		return true;
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

#endif
