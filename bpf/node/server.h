/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Requests of Node's HTTP/1 server, from the fields of the parser that has just read a head. */
#ifndef USPAN_NODE_SERVER_H
#define USPAN_NODE_SERVER_H

#include "node/methods.h"
#include "node/parser.h"
#include "node/peer.h"

#define MAX_HOST_BYTES 256
#define MAX_USER_AGENT_BYTES 256
#define MAX_TRACESTATE_BYTES 512
#define MAX_TEXT_BYTES 512 /* any but the target */

/* The caller's trace, or a new one. Returns whether the request is sampled. */
static __noinline int begin_server_trace(struct uspan_span_head *span, __u64 url, const struct wanted_headers *headers)
{
	struct trace_text text = {};
	bool parented = false;

	if (headers->traceparent) {
		struct parser_string value = header_value(url, headers->traceparent);
		__u32 len = value.len > TRACEPARENT_BYTES ? TRACEPARENT_BYTES + 1 : TRACEPARENT_BYTES;

		if (headers->traceparents == 1 && value.len >= TRACEPARENT_BYTES &&
		    bpf_probe_read_user(&text, len, (void *)value.text) == 0)
			parented = parse_trace(span, &text, value.len);
		if (!parented)
			count(USPAN_COUNTER_BAD_TRACEPARENT);
	}
	if (!parented)
		new_trace(span);
	random_bytes(span->span_id, 8);
	span->span_id[7] |= 1;
	return sample(&uspan_config, span, parented);
}

/*
 * Puts a text behind the others of a record, `at` bytes from its start. Returns the offset behind it. Offset and length have limits
 * of their own, so that the verifier can follow: one target of up to 1024 bytes, first, then texts of up to 512.
 */
__noinline int put_text(struct uspan_node_request *request, __u32 text_and_at, const struct parser_string *from, __u32 max)
{
	__u32 text = text_and_at >> 16, at = text_and_at & 0xffff, len;
	struct uspan_http_server_event *event;

	if (!request || !from || text >= USPAN_HTTP_TEXTS)
		return at;
	event = (struct uspan_http_server_event *)request->record;
	len = from->len > max ? max : from->len;
	if (len == 0)
		return at;
	if (from->len > max) {
		event->cut_mask |= 1 << text;
		event->span.span_flags |= USPAN_SPAN_CUT;
	}
	if (text == USPAN_HTTP_TARGET) {
		if (at > sizeof(*event) + sizeof(struct method) || len > USPAN_NODE_TARGET_BYTES)
			return at;
	} else if (at > sizeof(request->record) - MAX_TEXT_BYTES || len > MAX_TEXT_BYTES) {
		return at;
	}
	if (bpf_probe_read_user(request->record + at, len, (void *)from->text)) {
		event->unreadable_mask |= 1 << text;
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
		return at;
	}
	event->text_len[text] = len;
	return at + len;
}

/* The address as it is, for user space to spell out. */
static __always_inline __u32 put_peer(struct uspan_node_request *request, const struct uspan_node_peer *peer, __u32 at)
{
	struct uspan_http_server_event *event = (struct uspan_http_server_event *)request->record;

	if (!peer->family || at > sizeof(request->record) - sizeof(*peer))
		return at;
	__builtin_memcpy(request->record + at, peer, sizeof(*peer));
	event->text_len[USPAN_HTTP_PEER] = sizeof(*peer);
	return at + sizeof(*peer);
}

#define PUT(text, from, max) at = put_text(request, (text) << 16 | at, from, max)

/* Where the texts of a request are. */
struct request_texts {
	struct wanted_headers headers;
	struct parser_string target;
	__u64 url; /* address of the parser's url_ */
	__u32 method;
	__u32 reserved;
};

/* What contradicts itself is as good as unreadable: the span says that it lacks its target. */
static __noinline int find_texts(struct request_texts *texts, struct uspan_node_request *request)
{
	struct parser_tail tail;

	if (bpf_probe_read_user(&tail, sizeof(tail), (void *)texts->url) || tail.fields >= MAX_FIELDS || tail.fields != tail.values)
		return 0;
	texts->target = tail.url;
	find_headers(&texts->headers, request, texts->url - FIELDS_TO_URL, tail.fields);
	return 0;
}

static __noinline int put_texts(struct uspan_node_request *request, const struct uspan_node_peer *peer,
				const struct request_texts *from)
{
	const struct wanted_headers *headers = &from->headers;
	__u32 method = from->method;
	__u64 url = from->url;
	struct uspan_http_server_event *event = (struct uspan_http_server_event *)request->record;
	__u32 at = sizeof(*event), max_target = uspan_config.max_target_bytes;
	struct parser_string value;

	if (method >= METHODS)
		method = METHODS - 1;
	__builtin_memcpy(request->record + sizeof(*event), methods[method].text, sizeof(methods[0].text));
	event->text_len[USPAN_HTTP_METHOD] = methods[method].len;
	at += methods[method].len & 15;
	if (max_target > USPAN_NODE_TARGET_BYTES)
		max_target = USPAN_NODE_TARGET_BYTES;
	value = from->target;
	PUT(USPAN_HTTP_TARGET, &value, max_target);
	/* With too many headers for the parser's own table it has given the target to JavaScript before. */
	if (!value.len) {
		event->unreadable_mask |= 1 << USPAN_HTTP_TARGET;
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
	}
	if (headers->host) {
		value = header_value(url, headers->host);
		PUT(USPAN_HTTP_HOST, &value, MAX_HOST_BYTES);
	}
	at = put_peer(request, peer, at);
	if (headers->user_agent) {
		value = header_value(url, headers->user_agent);
		PUT(USPAN_HTTP_USER_AGENT, &value, MAX_USER_AGENT_BYTES);
	}
	if (headers->tracestate && event->span.trace_flags & SPAN_FLAG_IS_REMOTE) {
		value = header_value(url, headers->tracestate);
		PUT(USPAN_HTTP_TRACESTATE, &value, MAX_TRACESTATE_BYTES);
	}
	request->record_bytes = at;
	return 0;
}

/* llhttp__on_headers_complete(llhttp_t *state, const char *p, const char *endp); of its own stack */
static __noinline int on_request_head(const struct uspan_node_config *config, __u32 pid, __u64 state)
{
	struct uspan_node_key key = { .pid = pid };
	struct uspan_node_connection *c;
	struct uspan_http_server_event *event;
	struct uspan_node_request *request;
	struct request_texts texts = { .url = state + config->parser_url };
	struct parser_head parser;

	if (bpf_probe_read_user(&parser, sizeof(parser), (void *)(state - __builtin_offsetof(struct parser_head, llhttp)))) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		return 0;
	}
	if (parser.llhttp[LLHTTP_TYPE] != LLHTTP_TYPE_REQUEST)
		return 0;
	if (!parser.stream) {
		count(USPAN_COUNTER_SKIPPED_NODE_STREAM);
		return 0;
	}
	key.stream_base = parser.stream;
	c = add_connection(&key);
	if (!c)
		return 0;
	if (c->role != USPAN_NODE_ROLE_SERVER)
		find_server_peer(config, c, key.stream_base);
	c->role = USPAN_NODE_ROLE_SERVER;
	request = push_request(&key, c);
	if (!request)
		return 0;
	count(USPAN_COUNTER_NODE_REQUESTS);
	texts.method = parser.llhttp[LLHTTP_METHOD];
	request->kind = USPAN_EVENT_NODE_HTTP_SERVER;
	request->bodiless = texts.method == METHOD_HEAD;
	request->tunnel = texts.method == METHOD_CONNECT;
	event = (struct uspan_http_server_event *)request->record;
	__builtin_memset(event, 0, sizeof(*event));
	event->span.start_ktime_ns = bpf_ktime_get_ns();
	find_texts(&texts, request);
	request->sampled = begin_server_trace(&event->span, texts.url, &texts.headers);
	if (!request->sampled)
		return 0;
	event->proto_major = parser.llhttp[LLHTTP_HTTP_MAJOR];
	event->proto_minor = parser.llhttp[LLHTTP_HTTP_MINOR];
	put_texts(request, &c->peer, &texts);
	return 0;
}

#endif
