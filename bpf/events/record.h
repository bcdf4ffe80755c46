/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Part of event.h: records, and the head of every attachment's configuration.
 *
 * A span record is a span head, then fields, each with a head of its own. The fields come in any order. An absent one is unknown. The
 * header of each source says what its field numbers mean.
 */
#ifndef USPAN_EVENTS_RECORD_H
#define USPAN_EVENTS_RECORD_H

/* `len` bytes follow, then zero to three bytes up to the next multiple of four. */
struct uspan_field_head {
	__u8 field;
	__u8 marks; /* enum uspan_field_mark */
	__u16 len;
};

enum uspan_field_mark {
	USPAN_FIELD_CUT = 1,        /* there was more of it */
	USPAN_FIELD_UNREADABLE = 2, /* it could not be read, and has no bytes */
};

#define USPAN_MAX_FIELDS 32 /* numbers of fields are below */

/*
 * The first member of every attachment's configuration (index: attachment id). The agent writes it when it attaches, and may write it again
 * at any time, because a program reads it at each start.
 */
struct uspan_probe_head {
	__u64 ratio_threshold;     /* sampled if the last 8 bytes of the trace id, big endian, shifted right by 1, are below it */
	__u32 filter_by_process;   /* 1: only processes in `targets` */
	__u32 sampler;             /* enum uspan_sampler: for roots, or for all unless parent_based */
	__u32 parent_based;
	__u32 max_target_bytes;    /* longest request target or URL that is kept, at most USPAN_TARGET_MAX_BYTES */
	__u32 max_statement_bytes; /* longest SQL text that is kept, at most USPAN_STATEMENT_MAX_BYTES */
	__u32 binary;              /* index in go_binaries, for Go programs */
};

/* The key of an open span. Its owner is a goroutine, a thread, a connection, or a prepared statement. */
struct uspan_open_span_key {
	__u64 owner;
	__u32 pid;
	__u32 slot; /* tells apart what the same owner has open at the same time */
};

/* A text that is read at the end, because it had no room at the start. */
struct uspan_late_text {
	__u64 ptr;
	__u32 len;
	__u8 field;
	__u8 marks;
	__u16 from; /* enum uspan_late_from */
};

enum uspan_late_from {
	USPAN_LATE_USER = 0,   /* memory of the process */
	USPAN_LATE_STRING = 1, /* the same, up to a NUL; `len` is the most that is kept */
	USPAN_LATE_KERNEL = 2, /* a copy that the source has */
};

#define USPAN_OWN_BYTES 112   /* what a source keeps for itself between start and end */
#define USPAN_FIELDS_BYTES 656
#define USPAN_SCRATCH_AT 144  /* where scratch memory begins in the room for fields, while there are few or none */
#define USPAN_RAW_BYTES 512   /* scratch memory: room for a Go Request, a header group or bucket */
#define USPAN_LATE_TEXTS 4

/*
 * A span between its start and its end: its record, as far as it is known. With its key and the map's own 56 bytes it fits into a slab of
 * 1,024 bytes. An entry belongs to one owner, so it is also scratch memory. Per-CPU scratch memory would not be safe in a uprobe program,
 * because another task that runs the same program on the same CPU can preempt it.
 */
struct uspan_open_span {
	__u32 open;       /* not 0 between start and end; the value may mean more to the source */
	__u32 sampled;
	__u16 used;       /* bytes of `fields`, a multiple of 4 */
	__u16 late;       /* texts in `late_text` */
	__u32 reserved;
	__u64 own[USPAN_OWN_BYTES / 8];
	struct uspan_late_text late_text[USPAN_LATE_TEXTS];
	struct uspan_span_head head;
	__u8 fields[USPAN_FIELDS_BYTES];
};

/* Entries of a source's map, by event kind. They are in two maps, so that BPF and the agent each write a number of their own. */
#define USPAN_SOURCES 16

#endif
