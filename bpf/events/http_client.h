/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's net/http client. */
#ifndef USPAN_EVENTS_HTTP_CLIENT_H
#define USPAN_EVENTS_HTTP_CLIENT_H

enum uspan_http_client_moment {
	USPAN_HTTP_CLIENT_START = 0,
	USPAN_HTTP_CLIENT_END = 1,           /* of an attempt, with a response or an error */
	USPAN_HTTP_CLIENT_ALTERNATE = 2,     /* the same if another transport took the request: HTTP/2 on an open connection */
	USPAN_HTTP_CLIENT_NO_CONNECTION = 3, /* no connection could be made */
	USPAN_HTTP_CLIENT_CANCELLED = 4,     /* before it was sent */
	USPAN_HTTP_CLIENT_RETRY = 5,         /* the start of another attempt */
};

/* Fields of an HTTP client span. Numbers have 4 bytes. */
enum uspan_http_client_field {
	USPAN_HTTP_CLIENT_METHOD = 0,
	USPAN_HTTP_CLIENT_URL = 1,      /* without credentials, if it is in memory in one piece; otherwise the five that follow */
	USPAN_HTTP_CLIENT_SCHEME = 2,
	USPAN_HTTP_CLIENT_HOST = 3,     /* host:port */
	USPAN_HTTP_CLIENT_PATH = 4,     /* decoded */
	USPAN_HTTP_CLIENT_RAW_PATH = 5, /* its encoding, if that is not the usual one of the decoded path */
	USPAN_HTTP_CLIENT_QUERY = 6,
	USPAN_HTTP_CLIENT_STATUS = 7,   /* a number; absent: no response */
	USPAN_HTTP_CLIENT_PROTOCOL = 8, /* a number: major version * 256 + minor version */
	USPAN_HTTP_CLIENT_RESENDS = 9,  /* a number: attempts of the same call before this one; absent: none */
	USPAN_HTTP_CLIENT_OPAQUE = 10,  /* the target as the program wrote it, in place of path and encoded path; the query goes behind it */
	USPAN_HTTP_CLIENT_FORCE_QUERY = 11, /* a number, 1: a `?` goes behind the path although the query is empty */
};

/* Configuration of an attachment: offsets in its net/http, in bytes. */
struct uspan_go_http_client_config {
	struct uspan_probe_head probe;
	__u16 request_bytes;  /* how much of a Request has all of the fields below, at most USPAN_RAW_BYTES */
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
	__u16 url_opaque;
	__u16 url_force_query; /* a bool */
	__u16 response_status; /* int; Proto, ProtoMajor and ProtoMinor follow it */
	__u16 reserved[2];
};

/* What a call of a Go client keeps in uspan_open_span.own. */
struct uspan_go_call {
	__u64 request; /* *Request */
	__u64 method;  /* the string that is kept at the start of the fields, a constant of the program; 0: none */
	__u64 base;    /* load address of the program minus its link-time address */
	__u32 resends;
	__u16 is_opaque;   /* 1: the text of the path is an opaque target */
	__u16 force_query; /* 1: a `?` goes behind the path */
	struct uspan_text_ref url[5]; /* parts from USPAN_HTTP_CLIENT_SCHEME on, between the URL and the record */
};

#endif
