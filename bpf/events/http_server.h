/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's net/http server. */
#ifndef USPAN_EVENTS_HTTP_SERVER_H
#define USPAN_EVENTS_HTTP_SERVER_H

enum uspan_http_server_moment {
	USPAN_HTTP_SERVER_START = 0,
	USPAN_HTTP_SERVER_END = 1,
	USPAN_HTTP_SERVER_PANIC = 2, /* a panic or runtime.Goexit() left the handler; an end */
	USPAN_HTTP_SERVER_HTTP2 = 3,   /* golang.org/x/net/http2 hands a request to a handler */
	USPAN_HTTP_SERVER_REPLIED = 4, /* the server answers a request itself, with an error */
};

/* Fields of an HTTP server span. Numbers have 4 bytes. */
enum uspan_http_server_field {
	USPAN_HTTP_SERVER_METHOD = 0,
	USPAN_HTTP_SERVER_TARGET = 1,       /* request target as it was sent: path and query */
	USPAN_HTTP_SERVER_HOST = 2,
	USPAN_HTTP_SERVER_PEER = 3,         /* ip:port */
	USPAN_HTTP_SERVER_USER_AGENT = 4,
	USPAN_HTTP_SERVER_PATTERN = 5,      /* http.ServeMux pattern */
	USPAN_HTTP_SERVER_TRACESTATE = 6,
	USPAN_HTTP_SERVER_REQUEST_LINE = 7, /* method and target in one piece, with the space between them */
	USPAN_HTTP_SERVER_STATUS = 8,       /* a number; 0: the handler set none */
	USPAN_HTTP_SERVER_PROTOCOL = 9,     /* a number: major version * 256 + minor version */
	USPAN_HTTP_SERVER_SOCKET = 10,      /* the peer, as struct uspan_node_peer */
	USPAN_HTTP_SERVER_TRACESTATE_MORE = 11, /* of the second header of that name, which goes behind the first one, with a comma */
	USPAN_HTTP_SERVER_TRACESTATE_REST = 12, /* without bytes: there are more headers of that name */
	USPAN_HTTP_SERVER_FIELDS = 13,
};

/* Configuration of an attachment: offsets in its net/http, in bytes. USPAN_FIELD_ABSENT: no such field. */
struct uspan_go_http_config {
	struct uspan_probe_head probe;
	__u16 request_bytes;     /* how much of a Request has all of the fields below, at most USPAN_RAW_BYTES */
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
	__u16 response_writer;   /* response.w, nil after Hijack(); the status lies 64 bytes behind it */
	__u16 request_content_length; /* an int64 */
	__u16 conn_bufr;         /* *bufio.Reader */
	__u16 reader_buf;        /* bufio.Reader.buf, a slice */
	__u16 reader_read;       /* bufio.Reader.r, an int */
	__u16 reader_bytes;      /* how much of a bufio.Reader has both; 0: do not look for heads */
	__u16 g_panic;           /* runtime.g._panic, the panic or Goexit that is under way */
	__u16 panic_goexit;      /* runtime._panic.goexit, a bool */
	__u16 http2_handler;     /* golang.org/x/net/http2.serverConn.handler, an interface */
	__u32 alpn_hash;         /* internal/abi.Type.Hash of net/http.initALPNRequest, a handler that goes on to the Server's; 0: none */
	__u32 reserved;
};

/* What a request of a Go server keeps in uspan_open_span.own. */
struct uspan_go_request {
	__u64 request;        /* *Request */
	__u64 response;       /* *response */
	__u64 request_ctx;    /* *cancelCtx of the request, whose parent is the connection's */
	__u64 goid;           /* of the goroutine that serves the connection, when it was last registered */
	__u64 peer;           /* the string that is kept at the start of the fields, which all requests of a connection share */
	__u64 names[2];       /* of "User-Agent" and of "Connection" in net/http; 0: not met yet */
	__u64 pattern;        /* the string in `pattern_text`, a constant of the program; 0: none */
	__u64 reader;         /* *bufio.Reader of the connection; 0: not looked up yet */
	__u16 peer_bytes;     /* of the peer's field; 0: none */
	__u8 had_body;        /* 1: the request had a body, or may have had one */
	__u8 pattern_len;
	__u8 pattern_text[36];
};

#endif
