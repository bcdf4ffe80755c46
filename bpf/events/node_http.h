/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: what Node.js's sockets carry, HTTP/1 of servers and clients and PostgreSQL's protocol. */
#ifndef USPAN_EVENTS_NODE_HTTP_H
#define USPAN_EVENTS_NODE_HTTP_H

#include "events/http_server.h"

enum uspan_node_moment {
	USPAN_NODE_MOMENT_REQUEST = 0,   /* llhttp has a whole head: llhttp__on_headers_complete */
	USPAN_NODE_MOMENT_WRITE = 1,     /* uv_try_write */
	USPAN_NODE_MOMENT_TLS_WRITE = 2, /* node::crypto::TLSWrap::DoWrite */
	USPAN_NODE_MOMENT_READ = 3,      /* node::EmitToJSStreamListener::OnStreamRead */
	USPAN_NODE_MOMENT_CLOSE = 4,     /* uv_close */
	USPAN_NODE_MOMENT_CONNECT = 5,   /* uv_tcp_connect */
};

/* Per attached binary (index: probe id): offsets in bytes of what its C++ objects hold. */
struct uspan_node_config {
	struct uspan_probe_head probe;
	__u16 stream_base;       /* StreamBase in LibuvStreamWrap */
	__u16 tls_base;          /* StreamBase in TLSWrap */
	__u16 tls_listener;      /* StreamListener in TLSWrap */
	__u16 parser_url;        /* from the llhttp_t of an HTTP parser to its url_ */
};

/* The other end of a connection. */
struct uspan_node_peer {
	__u8 address[16]; /* IPv4: the first 4 */
	__u16 port;
	__u16 family;     /* AF_INET, AF_INET6, or 0: not known */
};

struct uspan_node_client_event {
	struct uspan_span_head span;
	__u32 status; /* 0: no response */
	__u32 error;  /* what ended the connection before the response was complete: an errno, 4095 for its end, 0 for the program itself */
	struct uspan_node_peer peer;
	__u16 head_len; /* bytes of the request's head that follow */
	__u8 proto_minor; /* of the response */
	__u8 reserved;
};

struct uspan_node_sql_event {
	struct uspan_span_head span;
	__u16 database_len; /* the database, behind the statement */
	__u16 reserved;
	__u32 error;        /* as in uspan_node_client_event, at the same place */
	struct uspan_node_peer peer;
	__u8 sqlstate[8];   /* of the first error, else zeros */
	__u32 text_len;     /* bytes of the statement, which follow: as in uspan_node_statement */
};

/* A prepared statement, for those who execute it by its name. */
struct uspan_node_statement_key {
	__u64 connection; /* born_ktime_ns: a connection's address is used again */
	__u64 name_hash;
};

struct uspan_node_statement {
	__u32 text_len;
	__u8 text[2048]; /* USPAN_NODE_STATEMENT_BYTES */
};

enum uspan_node_role {
	USPAN_NODE_ROLE_UNKNOWN = 0,
	USPAN_NODE_ROLE_SERVER = 1,
	USPAN_NODE_ROLE_CLIENT = 2,
	USPAN_NODE_ROLE_POSTGRES = 3,
	USPAN_NODE_ROLE_OTHER = 4, /* taken over by another protocol */
};

/* Where the response of a connection is: what a server writes, what a client reads. */
enum uspan_node_phase {
	USPAN_NODE_PHASE_HEAD = 0,      /* a head is next */
	USPAN_NODE_PHASE_HEAD_REST = 1, /* a head has begun */
	USPAN_NODE_PHASE_LENGTH = 2,    /* a body of known length */
	USPAN_NODE_PHASE_CHUNKED = 3,
	USPAN_NODE_PHASE_CLOSE = 4,     /* a body that lasts as long as the connection */
};

/* A StreamBase lives as long as its connection; no two that live have the same address. */
struct uspan_node_key {
	__u64 stream_base;
	__u32 pid;
	__u32 seq; /* of a request that waits behind another; 0 for the connection itself */
};

#define USPAN_NODE_TARGET_BYTES 1024
#define USPAN_NODE_HEAD_BYTES 2048      /* kept of a client request's head */
#define USPAN_NODE_STATEMENT_BYTES 2048
#define USPAN_NODE_DATABASE_BYTES 64
#define USPAN_NODE_RECORD_BYTES 2304    /* room for the longest record */
#define USPAN_NODE_WINDOW_BYTES 416     /* of a head, looked at in one piece */
#define USPAN_NODE_WINDOW_ROOM 512      /* with room for the last header's name and value */
#define USPAN_NODE_MAX_PIPELINED 1024   /* requests that wait on one connection */

/* A request in flight: its record, complete but for the end. */
struct uspan_node_request {
	__u32 sampled;
	__u32 record_bytes;
	__u16 kind;        /* enum uspan_event_kind */
	__u8 bodiless;     /* HEAD: the response has no body, whatever its head says */
	__u8 tunnel;       /* CONNECT */
	__u32 reserved;
	__u8 record[USPAN_NODE_RECORD_BYTES];
};

struct uspan_node_connection {
	__u64 born_ktime_ns;
	__u64 touched_ktime_ns; /* last byte of a body that lasts as long as the connection */
	__u64 left;             /* of the response's body, or of a message of PostgreSQL's that a read ended in */
	/* Of the body of the client's request: what it writes meanwhile is no head; ~0 until the response is complete. Or as `left`, of what is written. */
	__u64 request_left;
	__u64 content_length;   /* of the head last scanned */
	__u64 line[2];          /* its first bytes */
	__u32 active;           /* requests in flight */
	__u32 seq;              /* of the first of them */
	__u32 error;
	__u32 scan_next;        /* where scan_window() stopped */
	__u8 role;              /* enum uspan_node_role */
	__u8 phase;             /* enum uspan_node_phase */
	__u8 ending;            /* what may be the last chunk has been written */
	__u8 ended;             /* the response ended in what was looked at last */
	__u8 in_line;           /* the next window begins within a line */
	__u8 has_length;        /* the head last scanned */
	__u8 has_encoding;
	__u8 is_request;        /* its first line ends with HTTP/1.x */
	__u8 traceparents;
	__u8 traceparent_len;
	__u8 candidate;         /* PostgreSQL: what was written looks like it */
	__u8 statement_open;    /* PostgreSQL: a statement has been written that no Sync has ended */
	__u8 database_len;
	__u8 header_len;        /* PostgreSQL: bytes of a message's header that a read ended with */
	__u8 header[8];
	__u8 unsynced;          /* PostgreSQL: read on without looking at every message */
	__u8 reserved[5];
	struct uspan_node_peer peer;
	__u8 database[USPAN_NODE_DATABASE_BYTES];
	__u8 traceparent[64];
	__u8 window[USPAN_NODE_WINDOW_ROOM];
	struct uspan_node_request current; /* the first in flight */
};

#endif
