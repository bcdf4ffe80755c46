/* SPDX-License-Identifier: Apache-2.0 */
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
};

/* Texts of an HTTP server span, in this order, each rounded up to 8 bytes in `text`. */
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
	__u32 status;          /* 0: the handler wrote none */
	__u8 cut_mask;         /* bit per enum uspan_http_text */
	__u8 unreadable_mask;
	__u8 proto_major;
	__u8 proto_minor;
	__u16 text_len[8];     /* by enum uspan_http_text */
	/* then the texts */
};

#endif
