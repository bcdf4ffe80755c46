/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * THE contract between kernel and agent: every record, enum, counter and configuration value that crosses.
 * src/probes/layout.gen.ts is generated from the BTF of contract.bpf.c (scripts/gen-layout.ts); a test regenerates and diffs it.
 * Rules: fixed-width types, 8-byte fields first, explicit padding (-Wpadded -Werror), never renumber an enum.
 */
#ifndef USPAN_EVENT_H
#define USPAN_EVENT_H

#define USPAN_CONTRACT_VERSION 1

enum uspan_event_kind {
	USPAN_EVENT_HTTP_SERVER = 1,
	USPAN_EVENT_PROCESS_EXEC = 2,
	USPAN_EVENT_PROCESS_EXIT = 3,
};

/* Every record starts with this. */
struct uspan_event_head {
	__u64 ktime_ns; /* CLOCK_MONOTONIC at submit; the end of a span */
	__u32 pid;      /* tgid in the initial pid namespace */
	__u32 tid;
	__u32 len;      /* bytes of the whole record, this head included, before padding to 8 */
	__u16 kind;     /* enum uspan_event_kind */
	__u16 probe_id; /* index of the attach: which binary and definition */
};

/* Every span record starts with this. Ids are bytes in W3C order. */
struct uspan_span_head {
	struct uspan_event_head head;
	__u64 start_ktime_ns;
	__u8 trace_id[16];
	__u8 span_id[8];
	__u8 parent_span_id[8]; /* all zero: a root */
	__u32 trace_flags;      /* W3C flags byte; bit 8: has parent is known; bit 9: parent is remote (OTLP Span.flags) */
	__u32 span_flags;       /* USPAN_SPAN_* */
};

enum uspan_span_flag {
	USPAN_SPAN_PANIC = 1,    /* ended by a panic (or Goexit) that left the handler */
	USPAN_SPAN_ABORTED = 2,  /* the peer went away before the end */
	USPAN_SPAN_HIJACKED = 4, /* the connection was taken over by the handler */
	USPAN_SPAN_TLS = 8,
	USPAN_SPAN_CUT = 16,     /* at least one text was cut: see the cut mask */
	USPAN_SPAN_UNREADABLE = 32, /* at least one text could not be read: see the unreadable mask */
	USPAN_SPAN_REQUEST_LINE = 64, /* method and target came in one piece, with the space between them */
};

/* Texts of an HTTP server span, one after another in this order (but see USPAN_SPAN_REQUEST_LINE). */
enum uspan_http_text {
	USPAN_HTTP_METHOD = 0,
	USPAN_HTTP_TARGET = 1,     /* request target as sent: path and query */
	USPAN_HTTP_HOST = 2,
	USPAN_HTTP_PEER = 3,       /* ip:port */
	USPAN_HTTP_USER_AGENT = 4,
	USPAN_HTTP_PATTERN = 5,    /* http.ServeMux pattern */
	USPAN_HTTP_TRACESTATE = 6,
	USPAN_HTTP_TEXTS = 7,
};

struct uspan_http_server_event {
	struct uspan_span_head span;
	__u32 status;          /* 0: the handler set none */
	__u8 cut_mask;         /* bit per enum uspan_http_text */
	__u8 unreadable_mask;
	__u8 proto_major;
	__u8 proto_minor;
	__u16 text_len[8];     /* by enum uspan_http_text */
	/* then the texts */
};

/* Counters, one per-CPU array slot each; `uspan.lost{stage,reason}` where the name starts with LOST_. */
enum uspan_counter {
	USPAN_COUNTER_SPANS = 0,              /* span records submitted */
	USPAN_COUNTER_SAMPLED_OUT = 1,        /* requests the sampler declined */
	USPAN_COUNTER_LOST_RING_FULL = 2,     /* the ring buffer had no room for a finished span */
	USPAN_COUNTER_LOST_IN_FLIGHT_FULL = 3, /* more requests in flight than the map holds */
	USPAN_COUNTER_LOST_NEVER_ENDED = 4,   /* the goroutine began another request before the last one ended */
	USPAN_COUNTER_LOST_UNREADABLE = 5,    /* the request's own fields could not be read */
	USPAN_COUNTER_END_WITHOUT_START = 6,  /* began before the probes were attached */
	USPAN_COUNTER_SKIPPED_HTTP2 = 7,      /* HTTP/2 requests, which this program does not trace */
	USPAN_COUNTER_OTHER_PROCESS = 8,      /* a process that shares the binary but is no target */
	USPAN_COUNTER_HEADERS_NOT_SCANNED = 9, /* header maps too large to search for a traceparent */
	USPAN_COUNTER_REFIRED = 10,           /* the entry fired again for the same request (the stack grew) */
	USPAN_COUNTER_BAD_TRACEPARENT = 11,   /* malformed, ignored as W3C says */
	USPAN_COUNTERS = 12,
};

/* A uprobe's attach cookie: probe id in the upper half, moment in the lower. */
#define USPAN_COOKIE_MOMENT_BITS 16

enum uspan_moment {
	USPAN_MOMENT_START = 0,
	USPAN_MOMENT_END = 1,
	USPAN_MOMENT_PANIC = 2, /* the handler was left by a panic; an end */
	USPAN_MOMENTS = 4,
};

#define USPAN_MAX_PROBES 1024 /* attached (binary, definition) pairs at a time */

enum uspan_sampler {
	USPAN_SAMPLER_ALWAYS_ON = 0,
	USPAN_SAMPLER_ALWAYS_OFF = 1,
	USPAN_SAMPLER_RATIO = 2,
};

/* One for the whole object, in .rodata (`uspan_config`). */
struct uspan_config {
	__u64 wake_bytes;          /* unread ring bytes at which the agent is woken before its timer */
	__u64 ratio_threshold;     /* sampled when the last 8 bytes of the trace id, big endian, shifted right by 1, are below */
	__u32 sampler;             /* enum uspan_sampler: for roots, or for all unless parent_based */
	__u32 parent_based;
	__u32 max_target_bytes;    /* longest request target kept, at most USPAN_TARGET_MAX_BYTES */
	__u32 in_flight_keep;      /* entries up to which a finished request's map entry is kept for its goroutine's next one */
};

#define USPAN_TARGET_MAX_BYTES 8192
#define USPAN_FIELD_ABSENT 0xffff

enum uspan_go_map {
	USPAN_GO_MAP_SWISS = 1, /* Go 1.24 and newer: internal/runtime/maps.Map */
	USPAN_GO_MAP_HMAP = 2,  /* before: runtime.hmap */
};

/* Per attached binary (index: probe id): where its net/http keeps things. Offsets in bytes, USPAN_FIELD_ABSENT: no such field. */
struct uspan_go_http_config {
	__u32 filter_by_process; /* 1: only processes in `targets` */
	__u16 request_bytes;     /* how much of a Request holds all of the fields below, at most USPAN_RAW_BYTES */
	__u16 request_method;
	__u16 request_header;
	__u16 request_host;
	__u16 request_remote_addr;
	__u16 request_target;    /* Request.RequestURI */
	__u16 request_tls;
	__u16 request_proto_major; /* int; ProtoMinor follows it */
	__u16 request_proto_minor;
	__u16 request_ctx;
	__u16 request_pattern;   /* Request.Pattern, Go 1.23 and newer */
	__u16 request_pat;       /* Request.pat, Go 1.22: *pattern */
	__u16 pattern_str;       /* pattern.str */
	__u16 response_status;
	__u16 response_conn;
	__u16 conn_hijacked;
	__u16 cancel_ctx_parent; /* data word of cancelCtx.Context */
	__u16 cancel_ctx_err;    /* first word of cancelCtx.err: not zero once cancelled */
	__u16 map_kind;          /* enum uspan_go_map */
	__u16 map_used;          /* swiss: Map.used; hmap: count */
	__u16 map_dir_ptr;       /* swiss: Map.dirPtr; hmap: buckets */
	__u16 map_dir_len;       /* swiss: Map.dirLen; hmap: B (log2 of the buckets) */
	__u16 table_groups;      /* swiss: table.groups.data */
	__u16 table_length_mask; /* swiss: table.groups.lengthMask */
	__u16 group_bytes;       /* swiss: a group; hmap: a bucket */
	__u16 group_keys;        /* first key */
	__u16 group_elems;       /* first value */
	__u16 group_key_stride;
	__u16 group_elem_stride;
	__u16 bucket_overflow;   /* hmap: overflow pointer */
};

/* A Go string header as found in memory. */
struct uspan_text_ref {
	__u64 ptr;
	__u64 len;
};

#define USPAN_RAW_BYTES 512        /* room for a Request, a header group or bucket */
#define USPAN_SMALL_TEXT_BYTES 512 /* texts of one span that fit the entry's own buffer; a power of two */
#define USPAN_LARGE_TEXT_BYTES 16384 /* a power of two */
#define USPAN_LARGE_BUFFERS 16

struct uspan_http_in_flight_key {
	__u64 goroutine; /* address of runtime.g: unique within a process */
	__u32 pid;
	__u32 reserved;
};

/*
 * A request between its start and its end. Strings are kept as pointers and read at the end: Go strings are immutable, and the
 * request line, headers and peer they belong to stay referenced by the connection's own Request until then.
 * The entry belongs to one goroutine, so it is also that goroutine's scratch memory: per-CPU scratch is not safe in a uprobe
 * program, which can be preempted by another task that runs the same program on the same CPU.
 */
struct uspan_http_in_flight {
	__u64 request;
	__u64 response;
	__u64 request_ctx; /* *cancelCtx of the request, whose parent is the connection's */
	struct uspan_text_ref text[8]; /* by enum uspan_http_text */
	__u32 active;
	__u32 sampled;
	struct uspan_http_server_event event;
	__u8 raw[USPAN_SMALL_TEXT_BYTES * 2]; /* at the start a Request or header group, at the end the texts */
};

/* Where a span with long texts is put together: a small pool, taken with compare-and-swap. */
struct uspan_http_large {
	__u64 busy;
	struct uspan_http_server_event event;
	__u8 text[USPAN_LARGE_TEXT_BYTES * 2]; /* twice, so that offset and length can each be masked */
};

#include "events/go_link.h"

#endif
