/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * THE contract between kernel and agent: every record, enum, counter and configuration value that crosses. Each source of spans has a
 * header of its own in events/.
 * src/probes/layout.gen.ts is generated from the BTF of contract.bpf.c (scripts/gen-layout.ts). A test regenerates and compares it.
 * Rules: fixed-width types, 8-byte fields first, explicit padding (-Wpadded -Werror), never renumber an enum.
 */
#ifndef USPAN_EVENT_H
#define USPAN_EVENT_H

enum uspan_event_kind {
	USPAN_EVENT_HTTP_SERVER = 1,      /* events/http_server.h */
	USPAN_EVENT_PROCESS_EXEC = 2,
	USPAN_EVENT_PROCESS_EXIT = 3,
	USPAN_EVENT_HTTP_CLIENT = 4,
	USPAN_EVENT_SQL = 5,
	USPAN_EVENT_PAIR = 6,
	USPAN_EVENT_POSTGRESQL = 7,
	USPAN_EVENT_NODE_HTTP_SERVER = 8,
	USPAN_EVENT_NODE_HTTP_CLIENT = 9,
	USPAN_EVENT_NODE_SQL = 10,
	USPAN_EVENT_NODE_SQLITE = 11,
	USPAN_EVENT_FORK_EXIT = 12,       /* as PROCESS_EXIT, of a process that never started a program of its own */
	USPAN_EVENT_PROCESS_FORK = 13,    /* of the child, if its parent is in fork_parents */
	USPAN_EVENT_PROCESS_LISTEN = 14,  /* events/process.h, as the exec and the exit */
};

/* Every record starts with this. */
struct uspan_event_head {
	__u64 ktime_ns; /* CLOCK_MONOTONIC at the submit: the end of a span */
	__u32 pid;      /* tgid in the initial pid namespace */
	__u32 tid;
	__u32 len;      /* bytes of the whole record, this head included, before padding to 8 */
	__u16 kind;     /* enum uspan_event_kind */
	__u16 probe_id; /* attachment id: which definition on which binary */
};

/* Every span record starts with this. Ids are bytes in W3C order. */
struct uspan_span_head {
	struct uspan_event_head head;
	__u64 start_ktime_ns;
	__u8 trace_id[16];
	__u8 span_id[8];
	__u8 parent_span_id[8]; /* all zero: a root */
	__u32 trace_flags;      /* W3C flags byte; bit 8: bit 9 is valid; bit 9: the parent is remote (OTLP Span.flags) */
	__u32 span_flags;       /* USPAN_SPAN_* */
};

enum uspan_span_flag {
	USPAN_SPAN_PANIC = 1,    /* ended by a panic that left the handler */
	USPAN_SPAN_ABORTED = 2,  /* the peer went away before the end */
	USPAN_SPAN_HIJACKED = 4, /* the connection was taken over by the handler */
	USPAN_SPAN_TLS = 8,
	USPAN_SPAN_GOEXIT = 16,  /* ended by runtime.Goexit() in the handler */
};

/* Counters, one per-CPU array slot each. A name that starts with LOST_ becomes `uspan.lost{stage,reason}`. */
enum uspan_counter {
	USPAN_COUNTER_SPANS = 0,              /* span records that left the ring: the agent counts them, and no program does */
	USPAN_COUNTER_SAMPLED_OUT = 1,        /* requests the sampler declined */
	USPAN_COUNTER_LOST_RING_FULL = 2,     /* the ring buffer had no room for a finished span */
	USPAN_COUNTER_LOST_IN_FLIGHT_FULL = 3, /* more requests in flight than the map holds */
	USPAN_COUNTER_LOST_NEVER_ENDED = 4,   /* the goroutine began another request before the last one ended */
	USPAN_COUNTER_LOST_UNREADABLE = 5,    /* the request's own fields could not be read */
	USPAN_COUNTER_END_WITHOUT_START = 6,  /* began before the probes were attached */
	USPAN_COUNTER_SKIPPED_HTTP2 = 7,      /* HTTP/2 requests, which this program does not trace */
	USPAN_COUNTER_OTHER_PROCESS = 8,      /* a process that shares the binary but is not a target */
	USPAN_COUNTER_HEADERS_NOT_SCANNED = 9, /* header maps too large to search for a traceparent */
	USPAN_COUNTER_REFIRED = 10,           /* the entry fired again for the same request (the stack grew) */
	USPAN_COUNTER_BAD_TRACEPARENT = 11,   /* malformed, and ignored as W3C says */
	USPAN_COUNTER_LOST_TOO_DEEP = 12,     /* a thread had more open pairs of one USDT probe than are followed */
	USPAN_COUNTER_TOO_SHORT = 13,         /* pairs below their probe's min_duration */
	USPAN_COUNTER_RATE_LIMITED = 14,      /* pairs beyond their probe's max_per_second */
	USPAN_COUNTER_ARGUMENT_UNREADABLE = 15, /* spans with an argument that could not be read */
	USPAN_COUNTER_NODE_REQUESTS = 16,     /* requests and statements that Node.js programs began */
	USPAN_COUNTER_SKIPPED_NODE_STREAM = 17, /* requests that Node.js read from something that is not a socket */
	USPAN_COUNTER_NOT_EXECUTED = 18,      /* PostgreSQL statements that were prepared or described, and not executed */
	USPAN_COUNTER_NOT_SENT = 19,          /* client calls that ended before they looked for a connection: the library refused them, or a panic left them */
	USPAN_COUNTER_LOST_NO_MEMORY = 20,    /* the kernel had no memory for a map entry at that moment */
	USPAN_COUNTER_LOST_DESYNCHRONISED = 21, /* requests and statements of connections on which it is not known which answer is whose */
	USPAN_COUNTER_SERVER_REPLIED = 22,    /* requests that a server answered itself with an error, without a handler */
	USPAN_COUNTERS = 23,
};

/* A uprobe's attach cookie: bits 0 to 15 are the moment, 16 to 31 the attachment id, 32 to 63 the site argument (0 if there is none). */
#define USPAN_COOKIE_MOMENT_BITS 16
#define USPAN_COOKIE_SPEC_SHIFT 32

/* Limit of a definition's moments, which an enum of its own numbers. */
#define USPAN_MAX_MOMENTS 32

#define USPAN_MAX_PROBES 1024 /* attachments at the same time */

enum uspan_sampler {
	USPAN_SAMPLER_ALWAYS_ON = 0,
	USPAN_SAMPLER_ALWAYS_OFF = 1,
	USPAN_SAMPLER_RATIO = 2,
};

/* The same for every object, in .rodata (`uspan_config`). struct uspan_probe_head has what can differ by attachment. */
struct uspan_config {
	__u64 id_seed;        /* random, and different in every agent */
	__u64 wake_bytes;     /* unread ring bytes at which the agent is woken before its timer */
	__u32 in_flight_keep; /* entries up to which a finished span's entry is kept for its owner's next one */
	__u32 reserved;
};

#define USPAN_TARGET_MAX_BYTES 8192
#define USPAN_STATEMENT_MAX_BYTES 8192
#define USPAN_FIELD_ABSENT 0xffff

/* A Go string header, as in memory. */
struct uspan_text_ref {
	__u64 ptr;
	__u64 len;
};

#define USPAN_LARGE_BYTES 16384 /* texts of one span at most; a power of two */
#define USPAN_LARGE_EVENT_BYTES 512
#define USPAN_LARGE_BUFFERS 16

/* Where a span with long texts is put together: one of a small pool, taken with compare-and-swap. */
struct uspan_large {
	__u64 busy;
	__u8 bytes[USPAN_LARGE_EVENT_BYTES + 2 * USPAN_LARGE_BYTES]; /* event, then texts; twice as much, so that offset and length can each be masked */
};

#include "events/record.h"
#include "events/go_binary.h"
#include "events/http_client.h"
#include "events/http_server.h"
#include "events/node.h"
#include "events/node_sqlite.h"
#include "events/pair.h"
#include "events/postgresql.h"
#include "events/process.h"
#include "events/usdt.h"
#include "events/sql.h"

#endif
