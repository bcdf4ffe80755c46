/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's net/http client. */
#ifndef USPAN_EVENTS_HTTP_CLIENT_H
#define USPAN_EVENTS_HTTP_CLIENT_H

enum uspan_http_client_moment {
	USPAN_HTTP_CLIENT_START = 0,
	USPAN_HTTP_CLIENT_END = 1,           /* of an attempt: with a response or an error */
	USPAN_HTTP_CLIENT_ALTERNATE = 2,     /* the same where another transport took the request: HTTP/2 on an open connection */
	USPAN_HTTP_CLIENT_NO_CONNECTION = 3, /* no connection could be made */
	USPAN_HTTP_CLIENT_CANCELLED = 4,     /* before it was sent */
	USPAN_HTTP_CLIENT_RETRY = 5,         /* the start of another attempt */
};

/* Fields of an HTTP client span. Numbers are of 4 bytes. */
enum uspan_http_client_field {
	USPAN_HTTP_CLIENT_METHOD = 0,
	USPAN_HTTP_CLIENT_URL = 1,      /* without credentials, when it is in memory in one piece; else the five that follow */
	USPAN_HTTP_CLIENT_SCHEME = 2,
	USPAN_HTTP_CLIENT_HOST = 3,     /* host:port */
	USPAN_HTTP_CLIENT_PATH = 4,     /* decoded */
	USPAN_HTTP_CLIENT_RAW_PATH = 5, /* encoded, where that cannot be told from the decoded one */
	USPAN_HTTP_CLIENT_QUERY = 6,
	USPAN_HTTP_CLIENT_STATUS = 7,   /* a number; not there: no response */
	USPAN_HTTP_CLIENT_PROTOCOL = 8, /* a number: major version * 256 + minor version */
	USPAN_HTTP_CLIENT_RESENDS = 9,  /* a number: attempts of the same call before this one; not there: none */
};

/* Per attached binary (index: probe id): where its net/http keeps things. Offsets in bytes. */
struct uspan_go_http_client_config {
	struct uspan_probe_head probe;
	__u16 request_bytes;  /* how much of a Request holds all of the fields below, at most USPAN_RAW_BYTES */
	__u16 request_method;
	__u16 request_url;
	__u16 request_header;
	__u16 request_ctx;
	__u16 url_bytes;      /* as request_bytes, of a url.URL */
	__u16 url_scheme;
	__u16 url_host;
	__u16 url_path;
	__u16 url_raw_path;
	__u16 url_raw_query;
	__u16 response_status; /* int; Proto, ProtoMajor and ProtoMinor follow it */
};

/* What a call of a Go client keeps in uspan_open_span.own. */
struct uspan_go_call {
	__u64 request; /* *Request */
	__u64 method;  /* the string that is kept at the start of the fields, a constant of the program; 0: none */
	__u64 base;    /* where the program is loaded, less where it was linked */
	__u64 resends;
	struct uspan_text_ref url[5]; /* from USPAN_HTTP_CLIENT_SCHEME on, on their way from the URL to the record */
};

#endif
