/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's net/http client. */
#ifndef USPAN_EVENTS_HTTP_CLIENT_H
#define USPAN_EVENTS_HTTP_CLIENT_H

enum uspan_http_client_moment {
	USPAN_HTTP_CLIENT_START = 0,
	USPAN_HTTP_CLIENT_END = 1,           /* of an attempt: with a response or an error */
	USPAN_HTTP_CLIENT_ALTERNATE = 2,     /* the same where another transport took the request: HTTP/2 on an open connection */
	USPAN_HTTP_CLIENT_NO_CONNECTION = 3, /* there is none to be had */
	USPAN_HTTP_CLIENT_CANCELLED = 4,     /* before it was sent */
	USPAN_HTTP_CLIENT_RETRY = 5,         /* the start of another attempt */
};

/* Texts of an HTTP client span, one after another in this order. */
enum uspan_http_client_text {
	USPAN_HTTP_CLIENT_METHOD = 0,
	USPAN_HTTP_CLIENT_URL = 1, /* without credentials, when it is in memory in one piece; else the five that follow */
	USPAN_HTTP_CLIENT_SCHEME = 2,
	USPAN_HTTP_CLIENT_HOST = 3, /* host:port */
	USPAN_HTTP_CLIENT_PATH = 4, /* decoded */
	USPAN_HTTP_CLIENT_RAW_PATH = 5, /* encoded, where that cannot be told from the decoded one */
	USPAN_HTTP_CLIENT_QUERY = 6,
	USPAN_HTTP_CLIENT_ERROR = 7, /* of an error that is nothing but a text */
	USPAN_HTTP_CLIENT_TEXTS = 8,
};

struct uspan_http_client_event {
	struct uspan_span_head span;
	__u32 status;       /* 0: no response */
	__u32 errno_number; /* of a failed system call */
	__u16 error;        /* 0: none; else 1 + its index in the configuration's errors, or USPAN_FIELD_ABSENT: of another type */
	__u8 cut_mask;      /* bit per enum uspan_http_client_text */
	__u8 unreadable_mask;
	__u8 proto_major;
	__u8 proto_minor;
	__u8 resends;       /* attempts of the same call before this one */
	__u8 reserved;
	__u16 text_len[8];  /* by enum uspan_http_client_text */
	/* then the texts */
};

enum uspan_go_error_reads {
	USPAN_GO_ERROR_READS_NOTHING = 0,
	USPAN_GO_ERROR_READS_ERRNO = 1,
	USPAN_GO_ERROR_READS_TEXT = 2, /* the string it begins with */
	USPAN_GO_ERROR_READS_SKIP = 3, /* nothing was sent: this is no end */
};

/* A type of error that means something. */
struct uspan_go_error {
	__u32 type_hash; /* internal/abi.Type.Hash; 0: not in the binary */
	__u16 inner;     /* offset of the error it wraps, an interface, which says more; USPAN_FIELD_ABSENT: none */
	__u16 reads;     /* enum uspan_go_error_reads */
};

#define USPAN_GO_ERRORS 32

/* Per attached binary (index: probe id): where its net/http keeps things. Offsets in bytes, USPAN_FIELD_ABSENT: no such field. */
struct uspan_go_http_client_config {
	struct uspan_probe_head probe;
	__u16 request_bytes;     /* how much of a Request holds all of the fields below, at most USPAN_RAW_BYTES */
	__u16 request_method;
	__u16 request_url;
	__u16 request_header;
	__u16 request_ctx;
	__u16 url_bytes;         /* as request_bytes, of a url.URL */
	__u16 url_scheme;
	__u16 url_host;
	__u16 url_path;
	__u16 url_raw_path;
	__u16 url_raw_query;
	__u16 response_status;
	__u16 response_bytes;    /* as request_bytes, of a Response */
	__u16 response_proto_major; /* int; ProtoMinor follows it */
	__u32 cancel_ctx_hash;   /* type hashes of *context.cancelCtx and *context.timerCtx, which begins with one */
	__u32 timer_ctx_hash;
	struct uspan_go_map_layout map; /* of Request.Header */
	struct uspan_go_error errors[USPAN_GO_ERRORS];
	__u32 reserved;
	struct uspan_go_link_config link;
};

/* An attempt between its start and its end. Strings are kept as pointers and read at the end: the caller keeps its Request until then. */
struct uspan_http_client_in_flight {
	__u64 request;
	__u32 active;
	__u32 sampled;
	struct uspan_text_ref text[8]; /* by enum uspan_http_client_text */
	struct uspan_http_client_event event;
	struct uspan_raw raw; /* what is copied from the process, and at the end the texts */
};

#endif
