/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: how a Go binary lays out map[string][]string, the type of http.Header. */
#ifndef USPAN_EVENTS_GO_MAP_H
#define USPAN_EVENTS_GO_MAP_H

enum uspan_go_map {
	USPAN_GO_MAP_SWISS = 1, /* Go 1.24 and newer: internal/runtime/maps.Map */
	USPAN_GO_MAP_HMAP = 2,  /* before: runtime.hmap */
};

/* Offsets in bytes. */
struct uspan_go_map_layout {
	__u16 kind;              /* enum uspan_go_map */
	__u16 used;              /* swiss: Map.used; hmap: count */
	__u16 dir_ptr;           /* swiss: Map.dirPtr; hmap: buckets */
	__u16 dir_len;           /* swiss: Map.dirLen; hmap: B (log2 of the buckets) */
	__u16 table_groups;      /* swiss: table.groups.data */
	__u16 table_length_mask; /* swiss: table.groups.lengthMask */
	__u16 group_bytes;       /* swiss: a group; hmap: a bucket */
	__u16 group_keys;        /* first key */
	__u16 group_elems;       /* first value */
	__u16 group_key_stride;
	__u16 group_elem_stride;
	__u16 bucket_overflow;   /* hmap: overflow pointer */
};

/* Memory that a program lends for what it copies from a process. */
struct uspan_scratch {
	__u8 bytes[USPAN_RAW_BYTES];
};

#endif
