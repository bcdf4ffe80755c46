/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Requests of Node's HTTP/1 server, from the fields of the parser that has just read a head. */
#ifndef USPAN_NODE_SERVER_H
#define USPAN_NODE_SERVER_H

#include "node/peer.h"

/* llhttp.h of the Node.js tree, llhttp_t: the same in llhttp 6 to 9 up to http_minor. */
#define LLHTTP_BYTES 0x60
#define LLHTTP_TYPE 0x48
#define LLHTTP_METHOD 0x49
#define LLHTTP_HTTP_MAJOR 0x4a
#define LLHTTP_HTTP_MINOR 0x4b
#define LLHTTP_TYPE_REQUEST 1

struct method {
	__u8 len;
	char text[15];
};

#define METHOD(text) { sizeof(text) - 1, text }

/* llhttp's HTTP_METHOD_MAP: a method's number is its index here. */
static const struct method methods[] = {
	METHOD("DELETE"), METHOD("GET"), METHOD("HEAD"), METHOD("POST"), METHOD("PUT"), METHOD("CONNECT"),
	METHOD("OPTIONS"), METHOD("TRACE"), METHOD("COPY"), METHOD("LOCK"), METHOD("MKCOL"), METHOD("MOVE"),
	METHOD("PROPFIND"), METHOD("PROPPATCH"), METHOD("SEARCH"), METHOD("UNLOCK"), METHOD("BIND"),
	METHOD("REBIND"), METHOD("UNBIND"), METHOD("ACL"), METHOD("REPORT"), METHOD("MKACTIVITY"),
	METHOD("CHECKOUT"), METHOD("MERGE"), METHOD("M-SEARCH"), METHOD("NOTIFY"), METHOD("SUBSCRIBE"),
	METHOD("UNSUBSCRIBE"), METHOD("PATCH"), METHOD("PURGE"), METHOD("MKCALENDAR"), METHOD("LINK"),
	METHOD("UNLINK"), METHOD("SOURCE"), METHOD("PRI"), METHOD("DESCRIBE"), METHOD("ANNOUNCE"), METHOD("SETUP"),
	METHOD("PLAY"), METHOD("PAUSE"), METHOD("TEARDOWN"), METHOD("GET_PARAMETER"), METHOD("SET_PARAMETER"),
	METHOD("REDIRECT"), METHOD("RECORD"), METHOD("FLUSH"), METHOD("QUERY"),
};

#define METHOD_HEAD 2
#define METHOD_CONNECT 5
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/*
 * src/node_http_parser.cc of the Node.js tree. A Parser is an AsyncWrap and a StreamListener (a virtual table, `stream_`,
 * `previous_listener_`), then `parser_`, an llhttp_t. From 24 on a buffer for strings follows it, then the same in all versions:
 * fields_[32], values_[32], url_, status_message_, num_fields_, num_values_. Strings point into the buffer just read, or to copies
 * where the head came in pieces.
 */
struct parser_string {
	__u64 text;
	__u64 on_heap;
	__u64 len;
};

struct parser_tail {
	struct parser_string url;
	struct parser_string status_message;
	__u64 fields;
	__u64 values;
};

struct parser_head {
	__u64 stream;
	__u64 previous_listener;
	__u8 llhttp[LLHTTP_BYTES];
};

#define MAX_FIELDS 32
#define VALUES_TO_URL (MAX_FIELDS * sizeof(struct parser_string))
#define FIELDS_TO_URL (2 * VALUES_TO_URL)

#define MAX_HOST_BYTES 256
#define MAX_USER_AGENT_BYTES 256
#define MAX_TRACESTATE_BYTES 512
#define MAX_TEXT_BYTES 512 /* any but the target */

/* Where the headers we want are among the fields; 0: not there, else index + 1. */
struct wanted_headers {
	__u32 host;
	__u32 user_agent;
	__u32 traceparent;
	__u32 tracestate;
	__u32 traceparents;
	__u32 reserved;
};

#define LOWER(word) ((word) | 0x2020202020202020ull)
#define HOST 0x74736f68u                   /* host */
#define USER_AGEN 0x6567612d72657375ull    /* user-age */
#define TRACESTA 0x6174736563617274ull     /* tracesta */
#define TRACEPAR_ 0x7261706563617274ull    /* tracepar */
#define NT 0x746e                          /* nt */
#define TE 0x6574                          /* te */
#define ENT 0x746e65                       /* ent */

/* Headers on their way to find_headers(). */
struct header_search {
	struct wanted_headers *found;
	struct uspan_node_request *request;
};

/* Keeps the place of one header, if it is wanted. */
static long look_at_header(__u32 index, struct header_search *search)
{
	struct wanted_headers *found = search->found;
	struct parser_string *names, *name;
	__u64 words[2] = {};
	__u32 text = 0;

	if (index >= MAX_FIELDS)
		return 1;
	names = (struct parser_string *)(search->request->record + sizeof(struct uspan_http_server_event));
	name = &names[index];
	if (name->len == 4) {
		bpf_probe_read_user(&text, 4, (void *)name->text);
		if ((text | 0x20202020) == HOST && !found->host)
			found->host = index + 1;
	} else if (name->len == 10) {
		if (bpf_probe_read_user(words, 10, (void *)name->text))
			return 0;
		words[1] = (words[1] | 0x2020) & 0xffff;
		if (LOWER(words[0]) == USER_AGEN && words[1] == NT)
			found->user_agent = index + 1;
		else if (LOWER(words[0]) == TRACESTA && words[1] == TE && !found->tracestate)
			found->tracestate = index + 1;
	} else if (name->len == 11) {
		if (bpf_probe_read_user(words, 11, (void *)name->text))
			return 0;
		if (LOWER(words[0]) == TRACEPAR_ && ((words[1] | 0x202020) & 0xffffff) == ENT) {
			found->traceparent = index + 1;
			found->traceparents++;
		}
	}
	return 0;
}

/* Looks through the names of `fields` headers, which are at `address`; the request's record is scratch memory. */
__noinline int find_headers(struct wanted_headers *found, struct uspan_node_request *request, __u64 address, __u32 fields)
{
	struct header_search search = { .found = found, .request = request };

	if (!found || !request)
		return 0;
	if (fields > MAX_FIELDS)
		fields = MAX_FIELDS;
	if (bpf_probe_read_user(request->record + sizeof(struct uspan_http_server_event), fields * sizeof(struct parser_string),
				(void *)address))
		return 0;
	bpf_loop(fields, look_at_header, &search, 0);
	return 0;
}

/* The value of a header found by find_headers(); empty when it was not. */
static __always_inline struct parser_string header_value(__u64 url, __u32 index)
{
	struct parser_string value = {};

	if (index)
		bpf_probe_read_user(&value, sizeof(value),
				    (void *)(url - VALUES_TO_URL + (index - 1) * sizeof(struct parser_string)));
	return value;
}

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
