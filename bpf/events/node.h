/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: what Node.js's sockets carry: HTTP/1 of servers and clients, and PostgreSQL's protocol. */
#ifndef USPAN_EVENTS_NODE_H
#define USPAN_EVENTS_NODE_H

enum uspan_node_moment {
	USPAN_NODE_MOMENT_REQUEST = 0,   /* llhttp has a whole head: llhttp__on_headers_complete */
	USPAN_NODE_MOMENT_WRITE = 1,     /* uv_try_write */
	USPAN_NODE_MOMENT_TLS_WRITE = 2, /* node::crypto::TLSWrap::DoWrite */
	USPAN_NODE_MOMENT_READ = 3,      /* node::EmitToJSStreamListener::OnStreamRead */
	USPAN_NODE_MOMENT_CLOSE = 4,     /* uv_close */
	USPAN_NODE_MOMENT_CONNECT = 5,   /* uv_tcp_connect */
};

/* What a connection is used for: which program its hits go to, and the index of that program in `node_programs`. */
enum uspan_node_role {
	USPAN_NODE_ROLE_UNKNOWN = 0,
	USPAN_NODE_ROLE_SERVER = 1,
	USPAN_NODE_ROLE_CLIENT = 2,
	USPAN_NODE_ROLE_PG = 3,
	USPAN_NODE_ROLE_OTHER = 4, /* taken over by another protocol, or by TLS */
};

#define USPAN_NODE_PROBES 8 /* numbers of roles are below */

/* Configuration of an attachment: offsets in Node's C++ objects, in bytes. */
struct uspan_node_config {
	struct uspan_probe_head probe;
	/* By role, the attachment id of the definition that is attached with this one. USPAN_FIELD_ABSENT: it is not attached. */
	__u16 probes[USPAN_NODE_PROBES];
	__u16 stream_base;  /* StreamBase in LibuvStreamWrap */
	__u16 tls_base;     /* StreamBase in TLSWrap */
	__u16 tls_listener; /* StreamListener in TLSWrap */
	__u16 parser_url;   /* from the llhttp_t of an HTTP parser to its url_ */
	/* The core learns these at a connection's first hits, because they need no read later. 0: not yet. */
	__u16 handle;       /* from a StreamBase to its connection's libuv handle */
	__u16 listener;     /* from a StreamBase to the listener that hands its data to JavaScript */
	__u32 reserved;
};

/* The other end of a connection. */
struct uspan_node_peer {
	__u8 address[16]; /* IPv4: the first 4 */
	__u16 port;
	__u16 family;     /* AF_INET, AF_INET6, or 0: unknown */
};

/* What is known of every connection. Its key is struct uspan_open_span_key, whose owner is the StreamBase. */
struct uspan_node_connection {
	struct uspan_node_peer peer;
	__u8 role;        /* enum uspan_node_role */
	__u8 reserved[3];
};

/* Fields of a client's span. Numbers have 4 bytes. */
enum uspan_node_client_field {
	USPAN_NODE_CLIENT_HEAD = 0,        /* the request's head, as it was written */
	USPAN_NODE_CLIENT_SOCKET = 1,      /* the peer, as struct uspan_node_peer */
	USPAN_NODE_CLIENT_STATUS = 2,      /* a number */
	USPAN_NODE_CLIENT_PROTOCOL = 3,    /* a number: minor version of the response */
	USPAN_NODE_CLIENT_ERROR = 4,       /* a number: what ended the connection before the response was complete, see nodeErrorType() */
	/* The reader of the record finds these in the head. */
	USPAN_NODE_CLIENT_METHOD = 5,
	USPAN_NODE_CLIENT_TARGET = 6,
	USPAN_NODE_CLIENT_HOST = 7, /* in a record: the header's line, and perhaps more, because it is not within the head that is kept */
	USPAN_NODE_CLIENT_USER_AGENT = 8,
	USPAN_NODE_CLIENT_TRACESTATE = 9,
	USPAN_NODE_CLIENT_FIELDS = 10,
};

/* Fields of a statement's span. Numbers have 4 bytes. */
enum uspan_node_pg_field {
	USPAN_NODE_PG_STATEMENT = 0,
	USPAN_NODE_PG_DATABASE = 1,
	USPAN_NODE_PG_SOCKET = 2,   /* the peer, as struct uspan_node_peer */
	USPAN_NODE_PG_SQLSTATE = 3, /* of the first error */
	USPAN_NODE_PG_ERROR = 4,    /* a number, as USPAN_NODE_CLIENT_ERROR */
	USPAN_NODE_PG_FIELDS = 5,
};

/* Where the response of a connection is: what a server writes, what a client reads. */
enum uspan_node_phase {
	USPAN_NODE_PHASE_HEAD = 0,      /* a head is next */
	USPAN_NODE_PHASE_HEAD_REST = 1, /* a head has begun */
	USPAN_NODE_PHASE_LENGTH = 2,    /* a body of known length */
	USPAN_NODE_PHASE_CHUNKED = 3,
	USPAN_NODE_PHASE_CLOSE = 4,     /* a body that lasts as long as the connection */
};

#define USPAN_NODE_TARGET_BYTES 1024
#define USPAN_NODE_HEAD_BYTES 2048      /* bytes of a client request's head that are kept */
#define USPAN_NODE_STATEMENT_BYTES 2048
#define USPAN_NODE_DATABASE_BYTES 64
#define USPAN_NODE_LONG_BYTES 2304      /* bytes of fields that an entry has no room for */
#define USPAN_NODE_MAX_PIPELINED 1024   /* requests that wait on one connection and have entries */
#define USPAN_NODE_MAX_WAITING 65536    /* all that wait on one connection */

/* Requests in flight on a connection, first in, first out: see bpf/node/queue.h. */
struct uspan_node_queue {
	__u32 active; /* how many there are */
	__u32 first;  /* slot of the first */
	__u32 next;   /* slot of the next request, if there are others */
};

/* A head of HTTP/1 on its way through scan_head(), which goes on in the next piece. */
struct uspan_node_head {
	__u64 content_length;
	__u64 line[2];      /* its first bytes */
	__u32 scan_next;    /* where scan_window() stopped; with a head in pieces: how many bytes of it there were, up to 255 */
	__u8 in_line;       /* the next window begins within a line; with a head in pieces: how many bytes of it there were, up to 255 */
	__u8 has_length;
	__u8 has_encoding;
	__u8 is_request;    /* its first line ends with HTTP/1.x */
};

/* The current response of a connection. */
struct uspan_node_response {
	struct uspan_node_head head;
	__u64 touched_ktime_ns; /* last byte of a body that lasts as long as the connection */
	__u64 left;             /* of its body */
	__u16 status;           /* 0: none yet */
	__u8 proto_minor;
	__u8 phase;             /* enum uspan_node_phase */
	__u8 ending;            /* what may be the last chunk has been seen */
	__u8 ended;             /* it ended in what was looked at last */
	__u8 bodiless;          /* it answers a HEAD request: it has no body, whatever its head says */
	__u8 tunnel;            /* of a request with CONNECT */
	__u8 chunk;             /* client: enum uspan_node_chunk */
	__u8 name;              /* client: enum uspan_node_name, of the current line of a head that comes in pieces */
	__u8 lost;              /* client: what was read is no response */
	__u8 reserved[5];
};

/* Where in a body in chunks its next byte is. */
enum uspan_node_chunk {
	USPAN_NODE_CHUNK_SIZE = 0,
	USPAN_NODE_CHUNK_EXTENSION = 1, /* behind the size */
	USPAN_NODE_CHUNK_DATA = 2,
	USPAN_NODE_CHUNK_END = 3,       /* the line end behind the data */
	USPAN_NODE_CHUNK_TRAILERS = 4,  /* behind the last chunk */
};

/* What a line of a head begins with. */
enum uspan_node_name {
	USPAN_NODE_NAME_OTHER = 0,
	USPAN_NODE_NAME_LENGTH = 1,       /* Content-Length, as far as it has come */
	USPAN_NODE_NAME_ENCODING = 2,     /* Transfer-Encoding, as far as it has come */
	USPAN_NODE_NAME_LENGTH_VALUE = 3,
};

/*
 * What a span of HTTP keeps in uspan_open_span.own. The span in slot 0 stays while the connection has requests in flight, and has the state
 * of the connection itself.
 */
struct uspan_node_exchange {
	struct uspan_node_response response; /* only in slot 0, as everything up to `error` */
	__u64 request_left;     /* client: what is written now is the body of the request, and not a head; ~0 until the response is complete */
	struct uspan_node_queue queue;
	__u16 peer_bytes;       /* server: of the peer's field, which is kept at the start of the fields; 0: none */
	__u8 known;             /* the connection's role and peer have been looked up */
	__u8 taken_over;        /* the connection speaks another protocol from here on */
	__u32 error;            /* client: the result of the last read */
	__u8 bodiless;          /* of the request in this slot */
	__u8 tunnel;
	__u8 has_long;          /* it has an entry in node_long_fields */
	__u8 tunnelled;         /* of slot 0: it was taken over by a tunnel, CONNECT */
};

/* Fields that an entry has no room for, as they are in a record. */
struct uspan_node_long {
	__u32 used;
	__u8 fields[USPAN_NODE_LONG_BYTES];
};

/* What is known of a connection to PostgreSQL. Its key is that of uspan_node_connection. */
struct uspan_node_pg {
	__u64 born_ktime_ns;
	__u64 touched_ktime_ns; /* last hit while `unsynced` */
	struct uspan_node_peer peer;
	__u8 unsynced;          /* it is not known which answer belongs to which statement */
	__u8 answered;          /* while unsynced: the last hit was a read that ended with ReadyForQuery */
	__u8 pipelined;         /* statements were seen that did not wait for the answer to an earlier one */
	__u8 database_len;
	__u8 database[USPAN_NODE_DATABASE_BYTES];
};

/* One direction of a connection to PostgreSQL, between two reads or writes. */
struct uspan_node_pg_stream {
	__u64 left;   /* bytes of the current message's body that are still to come */
	__u64 header; /* what has come of the next message's header; the top byte says how many bytes */
};

/*
 * What a span of a statement keeps in uspan_open_span.own. The span in slot 0 also has the state of the connection, so it stays while there
 * is more of a message to come, or a statement in flight.
 */
struct uspan_node_pg_exchange {
	__u64 born_ktime_ns;   /* only in slot 0, as everything up to `kept_bytes` */
	struct uspan_node_pg_stream read;
	struct uspan_node_pg_stream written;
	struct uspan_node_queue queue; /* everything that ReadyForQuery answers: also what is no statement, and has no entry */
	__u32 error;           /* what the last read said */
	__u8 sqlstate[8];      /* of the first error of the current statement, otherwise zeros */
	__u8 error_at;         /* enum uspan_node_pg_error_at, in the current ErrorResponse */
	__u8 error_bytes;      /* of it that were looked at */
	__u8 statement_open;   /* a Parse or Bind was written, and no Sync has ended it */
	__u8 extended;         /* one of what is in flight began so */
	__u8 copying;          /* the server expects data of a COPY */
	__u8 unconfirmed;      /* the connection only looks like one to PostgreSQL, because it was there before, and has not answered yet */
	__u16 kept_bytes;      /* of the connection's own fields, which are kept at the start of the fields */
	__u8 has_long;         /* it has an entry in node_long_fields */
	__u8 reserved[7];
};

/* Where in an ErrorResponse its next byte is. */
enum uspan_node_pg_error_at {
	USPAN_NODE_PG_ERROR_NOWHERE = 0, /* there is none, or its SQLSTATE is known */
	USPAN_NODE_PG_ERROR_TYPE = 1,    /* a field begins */
	USPAN_NODE_PG_ERROR_OTHER = 2,   /* in a field that is not the SQLSTATE */
	USPAN_NODE_PG_ERROR_CODE = 3,    /* at the first byte of the SQLSTATE; 4 to 7: at the others */
};

/* A prepared statement, for executions by its name. */
struct uspan_node_statement_key {
	__u64 connection; /* born_ktime_ns: a connection's address is used again */
	__u64 name_hash;
};

struct uspan_node_statement {
	__u16 text_len;
	__u8 marks;       /* enum uspan_field_mark */
	__u8 reserved;
	__u8 text[USPAN_NODE_STATEMENT_BYTES];
};

#endif
