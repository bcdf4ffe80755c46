/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The texts of a request to a Go server. They come from the head that its connection has read (go/head.h) if that is certain, otherwise
 * from its Request and its header map.
 */
#ifndef USPAN_GO_REQUEST_TEXTS_H
#define USPAN_GO_REQUEST_TEXTS_H

#include "go/head.h"
#include "go/headers.h"
#include "go/requests.h"

#define MAX_METHOD_BYTES 64
#define MAX_HOST_BYTES 256
#define MAX_PEER_BYTES 64
#define MAX_USER_AGENT_BYTES 512
#define MAX_PATTERN_BYTES 512
#define MAX_TRACESTATE_BYTES 512

/* The first string of a []string whose data is at `strings`. */
static __always_inline struct uspan_text_ref first_text(__u64 strings)
{
	struct uspan_text_ref text = {};

	bpf_probe_read_user(&text, sizeof(text), (void *)strings);
	return text;
}

/* Method and target lie side by side in the request line that Go read, so one read gets both. */
static __always_inline void put_request_line(struct uspan_open_span *span, struct uspan_text_ref method, struct uspan_text_ref target,
					     __u32 max_target_bytes)
{
	struct uspan_text_ref line = { .ptr = method.ptr, .len = method.len + 1 + target.len };

	if (target.ptr == method.ptr + method.len + 1 && target.len && method.len <= MAX_METHOD_BYTES) {
		span_put(span, USPAN_HTTP_SERVER_REQUEST_LINE, line, method.len + 1 + max_target_bytes);
	} else {
		span_put(span, USPAN_HTTP_SERVER_METHOD, method, MAX_METHOD_BYTES);
		span_put(span, USPAN_HTTP_SERVER_TARGET, target, max_target_bytes);
	}
}

/* Texts of a request, on their way from its Request to the record. */
struct request_texts {
	struct uspan_text_ref method;
	struct uspan_text_ref target;
	struct uspan_text_ref host;
	struct uspan_text_ref peer;
};

/* Headers of one name are one list (W3C Trace Context section 3.3.1). The first two are kept, and a mark says that there are more. */
static __always_inline void put_tracestate(struct uspan_open_span *span, const struct header_scan *scan)
{
	struct uspan_text_ref text = first_text(scan->tracestate);
	__u32 field = text.len ? USPAN_HTTP_SERVER_TRACESTATE_MORE : USPAN_HTTP_SERVER_TRACESTATE;

	span_put(span, USPAN_HTTP_SERVER_TRACESTATE, text, MAX_TRACESTATE_BYTES);
	if (scan->tracestate_values < 2)
		return;
	text = first_text(scan->tracestate + sizeof(text));
	span_put(span, field, text, MAX_TRACESTATE_BYTES);
	if (scan->tracestate_values > 2)
		span_put_mark(span, USPAN_HTTP_SERVER_TRACESTATE_REST, USPAN_FIELD_CUT);
}

static __always_inline void put_texts(struct uspan_open_span *span, const struct uspan_go_http_config *config,
				      const struct request_texts *texts, const struct header_scan *scan, bool parented)
{
	put_request_line(span, texts->method, texts->target, config->probe.max_target_bytes);
	span_put(span, USPAN_HTTP_SERVER_HOST, texts->host, MAX_HOST_BYTES);
	if (scan->user_agent)
		span_put(span, USPAN_HTTP_SERVER_USER_AGENT, first_text(scan->user_agent), MAX_USER_AGENT_BYTES);
	if (parented && scan->tracestate)
		put_tracestate(span, scan);
}

/*
 * Reads the request's head into the scratch memory, and finds what is wanted. False if it is not there, or not certain. `had_body` is of
 * the connection's request before.
 */
static __always_inline bool read_head(struct uspan_open_span *span, const struct uspan_go_http_config *config,
				      struct uspan_scratch *raw, const struct request_texts *texts, struct go_head *head, bool had_body)
{
	struct uspan_go_request *request = go_request(span);
	__u32 reader_bytes = config->reader_bytes, bytes;
	__u64 buffer, read, target = texts->method.len + 1;

	if (had_body || !reader_bytes)
		return false;
	if (!request->reader)
		request->reader = read_u64(read_u64(request->response + config->response_conn) + config->conn_bufr);
	barrier_var(reader_bytes);
	if (reader_bytes > USPAN_RAW_BYTES || bpf_probe_read_user(raw->bytes, reader_bytes, (void *)request->reader))
		return false;
	buffer = raw_word(raw, config->reader_buf);
	read = raw_word(raw, config->reader_read);
	if (read > HEAD_MAX_BYTES)
		return false;
	bytes = read;
	barrier_var(bytes);
	if (bytes > HEAD_MAX_BYTES || bpf_probe_read_user(raw->bytes, bytes, (void *)buffer))
		return false;
	head->bytes = bytes;
	scan_head(head, raw);
	/* It ends where the reader is, and its first line is the request's: METHOD, blank, target, blank. */
	return head->end == bytes && !head->odd && texts->target.len < HEAD_MAX_BYTES && texts->method.len <= MAX_METHOD_BYTES &&
	       head_byte(raw, texts->method.len) == ' ' && head_byte(raw, target + texts->target.len) == ' ';
}

/* The caller's trace, from a head in the scratch memory. */
static __always_inline bool take_head_traceparent(const struct go_head *head, const struct uspan_scratch *raw,
						  struct uspan_span_head *span)
{
	__u64 at = head->at[HEAD_TRACEPARENT];

	if (!head->traceparents)
		return false;
	barrier_var(at);
	if (head->traceparents == 1 && head->len[HEAD_TRACEPARENT] >= TRACEPARENT_BYTES && at <= HEAD_MAX_BYTES &&
	    parse_trace(span, (const struct trace_text *)(raw->bytes + at), head->len[HEAD_TRACEPARENT]))
		return true;
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

/* The first header behind `last` that becomes a field. HEAD_TEXTS: none. */
static __always_inline __u32 next_header(const struct go_head *head, __u32 last)
{
	__u32 next = HEAD_TEXTS, at = HEAD_MAX_BYTES + 1;

	if (head->at[HEAD_HOST] > last && head->at[HEAD_HOST] < at) {
		next = HEAD_HOST;
		at = head->at[HEAD_HOST];
	}
	if (head->at[HEAD_USER_AGENT] > last && head->at[HEAD_USER_AGENT] < at) {
		next = HEAD_USER_AGENT;
		at = head->at[HEAD_USER_AGENT];
	}
	if (head->at[HEAD_TRACESTATE] > last && head->at[HEAD_TRACESTATE] < at)
		next = HEAD_TRACESTATE;
	return next;
}

/* Puts what a head in the scratch memory has, in its order. */
static __always_inline void put_head(struct uspan_open_span *span, const struct uspan_go_http_config *config,
				     const struct uspan_scratch *raw, const struct request_texts *texts, const struct go_head *head,
				     bool parented)
{
	/* A target with a host of its own wins over the header (RFC 9112 section 3.2.2). */
	bool has_host = head_byte(raw, texts->method.len + 1) == '/' && head->len[HEAD_HOST] == texts->host.len;
	__u32 last = 0;

	if (texts->target.len > config->probe.max_target_bytes) {
		span_put_scratch(span, USPAN_HTTP_SERVER_METHOD, 0, texts->method.len, MAX_METHOD_BYTES);
		span_put_scratch(span, USPAN_HTTP_SERVER_TARGET, texts->method.len + 1, texts->target.len, config->probe.max_target_bytes);
	} else {
		span_put_scratch(span, USPAN_HTTP_SERVER_REQUEST_LINE, 0, texts->method.len + 1 + texts->target.len, HEAD_MAX_BYTES);
	}
	for (int i = 0; i < 3; i++) {
		__u32 next = next_header(head, last), len;

		if (next >= HEAD_TEXTS)
			break;
		last = head->at[next];
		len = head->len[next];
		if (next == HEAD_HOST && has_host)
			span_put_scratch(span, USPAN_HTTP_SERVER_HOST, last, len, MAX_HOST_BYTES);
		else if (next == HEAD_USER_AGENT)
			span_put_scratch(span, USPAN_HTTP_SERVER_USER_AGENT, last, len, MAX_USER_AGENT_BYTES);
		else if (next == HEAD_TRACESTATE && parented)
			span_put_scratch(span, USPAN_HTTP_SERVER_TRACESTATE, last, len, MAX_TRACESTATE_BYTES);
	}
	if (!has_host)
		span_put(span, USPAN_HTTP_SERVER_HOST, texts->host, MAX_HOST_BYTES);
}

#endif
