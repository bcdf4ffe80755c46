/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a few keys in an http.Header, that is a map[string][]string, without hashing: the maps are small, so every
 * occupied slot is looked at, first by the length of its key. Layouts: Go's
 * src/internal/runtime/maps and src/runtime/map_noswiss.go; the offsets come from the binary's own type descriptors.
 */
#ifndef USPAN_GO_HEADERS_H
#define USPAN_GO_HEADERS_H

#include "common/counters.h"

#define GROUP_SLOTS 8
#define MAP_BYTES 48 /* both maps.Map and runtime.hmap */
#define MAX_GROUPS 16 /* 112 headers at Go's load factor of 7/8 */

struct header_scan {
	__u64 traceparent; /* address of the []string's first string, 0: none */
	__u64 traceparent_values;
	__u64 tracestate;
	__u64 user_agent;
	__u64 overflow;    /* hmap: next bucket of the chain just scanned */
	__u64 left;        /* occupied slots not seen yet */
};

/* One slot: key string and []string value, both copied from the map. */
static __always_inline void scan_slot(struct header_scan *scan, const __u8 *key, const __u8 *elem)
{
	__u64 key_len = *(__u64 *)(key + 8), values = *(__u64 *)elem, values_len = *(__u64 *)(elem + 8);
	void *text = (void *)*(__u64 *)key;
	__u8 name[16] = {};

	if (values_len == 0)
		return;
	if (key_len == 11) {
		if (bpf_probe_read_user(name, 11, text) == 0 && __builtin_memcmp(name, "Traceparent", 11) == 0) {
			scan->traceparent = values;
			scan->traceparent_values = values_len;
		}
	} else if (key_len == 10) {
		if (bpf_probe_read_user(name, 10, text))
			return;
		if (__builtin_memcmp(name, "User-Agent", 10) == 0)
			scan->user_agent = values;
		else if (__builtin_memcmp(name, "Tracestate", 10) == 0)
			scan->tracestate = values;
	}
}

/*
 * A group (swiss) or bucket (hmap): 8 control bytes, then slots; `entry` lends its raw memory.
 * Global, so that the verifier looks at it once and not per call.
 */
__noinline int scan_group(struct header_scan *scan, const struct uspan_go_http_config *config,
			  struct uspan_http_in_flight *entry, __u64 address)
{
	bool swiss;
	__u64 control;

	if (!scan || !config || !entry)
		return 0;
	swiss = config->map_kind == USPAN_GO_MAP_SWISS;
	scan->overflow = 0;
	if (config->group_bytes > USPAN_RAW_BYTES ||
	    bpf_probe_read_user(entry->raw, config->group_bytes & (2 * USPAN_RAW_BYTES - 1), (void *)address))
		return 0;
	control = *(__u64 *)entry->raw;
	for (__u32 i = 0; i < GROUP_SLOTS; i++) {
		__u32 mark = control >> (8 * i) & 0xff;
		__u32 key = config->group_keys + i * config->group_key_stride;
		__u32 elem = config->group_elems + i * config->group_elem_stride;

		/* swiss: the top bit marks empty or deleted; hmap: below 5 (minTopHash) is empty or moved. */
		if (swiss ? mark & 0x80 : mark < 5)
			continue;
		if (key > USPAN_RAW_BYTES - 16 || elem > USPAN_RAW_BYTES - 16)
			break;
		if (scan->left)
			scan->left--;
		scan_slot(scan, entry->raw + key, entry->raw + elem);
	}
	if (!swiss && config->bucket_overflow <= USPAN_RAW_BYTES - 8)
		scan->overflow = *(__u64 *)(entry->raw + config->bucket_overflow);
	return 0;
}

static __always_inline __u64 read_u64(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)address);
	return value;
}

/* 8 bytes at `offset` of what was last read to entry->raw. */
static __always_inline __u64 raw_word(const struct uspan_http_in_flight *entry, __u32 offset)
{
	return offset > USPAN_RAW_BYTES - 8 ? 0 : *(__u64 *)(entry->raw + offset);
}

/* internal/runtime/maps.Map: one group, or a directory of tables of groups. */
static __always_inline void scan_swiss(struct header_scan *scan, const struct uspan_go_http_config *config,
				       struct uspan_http_in_flight *entry)
{
	__u64 directory = raw_word(entry, config->map_dir_ptr), tables = raw_word(entry, config->map_dir_len);
	__u64 table = 0, last = 0, groups = 0, group = 0, mask = 0, t = 0;

	if (tables == 0) {
		scan_group(scan, config, entry, directory);
		return;
	}
	for (__u32 i = 0; i < MAX_GROUPS && scan->left; i++) {
		if (groups == 0 || group > mask) {
			/* Directory entries repeat while a table has not been split. */
			if (t >= tables)
				return;
			table = read_u64(directory + 8 * t++);
			if (table == last || table == 0)
				continue;
			last = table;
			groups = read_u64(table + config->table_groups);
			mask = read_u64(table + config->table_length_mask);
			group = 0;
		}
		scan_group(scan, config, entry, groups + group++ * config->group_bytes);
	}
}

/* runtime.hmap: 2^B buckets, each with a chain of overflow buckets. */
static __always_inline void scan_hmap(struct header_scan *scan, const struct uspan_go_http_config *config,
				      struct uspan_http_in_flight *entry)
{
	__u64 buckets = raw_word(entry, config->map_dir_ptr), bucket = 0, next = buckets;
	__u64 last = 1ull << (raw_word(entry, config->map_dir_len) & 15);

	for (__u32 i = 0; i < MAX_GROUPS && scan->left; i++) {
		scan_group(scan, config, entry, next);
		next = scan->overflow;
		if (next == 0) {
			if (++bucket >= last)
				return;
			next = buckets + bucket * config->group_bytes;
		}
	}
}

/* Looks through the header map at `map`; false when it holds more than is looked at. */
static __always_inline bool scan_headers(struct header_scan *scan, const struct uspan_go_http_config *config,
					 struct uspan_http_in_flight *entry, __u64 map)
{
	if (bpf_probe_read_user(entry->raw, MAP_BYTES, (void *)map))
		return false;
	scan->left = raw_word(entry, config->map_used);
	if (scan->left == 0)
		return true;
	if (config->map_kind == USPAN_GO_MAP_SWISS)
		scan_swiss(scan, config, entry);
	else
		scan_hmap(scan, config, entry);
	return scan->left == 0;
}

#endif
