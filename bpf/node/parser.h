/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Node's HTTP parser when it has read a head: where it keeps the target and the headers. */
#ifndef USPAN_NODE_PARSER_H
#define USPAN_NODE_PARSER_H

#include "node/hit.h"

/* llhttp.h of the Node.js tree, llhttp_t: unchanged in llhttp 6 to 9 up to http_minor. */
#define LLHTTP_BYTES 0x60
#define LLHTTP_TYPE 0x48
#define LLHTTP_METHOD 0x49
#define LLHTTP_HTTP_MAJOR 0x4a
#define LLHTTP_HTTP_MINOR 0x4b
#define LLHTTP_TYPE_REQUEST 1

#define MAX_FIELDS 32

struct parser_string {
	__u64 text;
	__u64 on_heap;
	__u64 len;
};

/* The strings of a parser. They point into the buffer that was just read, or to copies if the head came in pieces. */
struct parser_strings {
	struct parser_string names[MAX_FIELDS];
	struct parser_string values[MAX_FIELDS];
	struct parser_string url;
	struct parser_string status_message;
	__u64 name_count;
	__u64 value_count;
};

/*
 * src/node_http_parser.cc of the Node.js tree. A Parser is an AsyncWrap and a StreamListener (a virtual table, `stream_`,
 * `previous_listener_`), then `parser_`, an llhttp_t. From 24 on, a buffer for strings follows it. Then all versions have fields_[32],
 * values_[32], url_, status_message_, num_fields_, num_values_.
 */
struct parser {
	__u64 stream;
	__u64 previous_listener;
	__u8 llhttp[LLHTTP_BYTES];
	struct parser_strings strings;
};

_Static_assert(sizeof(struct parser) == PARSER_BYTES, "scratch memory has room for a parser");

#define LLHTTP_AT __builtin_offsetof(struct parser, llhttp)
#define URL_AT __builtin_offsetof(struct parser_strings, url)
/* If the strings directly follow the llhttp_t, one read gets all. */
#define URL_BEHIND_LLHTTP (LLHTTP_BYTES + URL_AT)

static __always_inline struct parser *parser_in(struct hit_scratch *scratch)
{
	return (struct parser *)scratch->parser;
}

/* Reads the parser of an llhttp_t at `state`, without its strings if they are not next to it. */
static __always_inline bool read_parser(struct hit_scratch *scratch, __u64 state, __u32 parser_url)
{
	if (parser_url == URL_BEHIND_LLHTTP)
		return bpf_probe_read_user(parser_in(scratch), sizeof(struct parser), (void *)(state - LLHTTP_AT)) == 0;
	return bpf_probe_read_user(parser_in(scratch), LLHTTP_AT + LLHTTP_BYTES, (void *)(state - LLHTTP_AT)) == 0;
}

static __always_inline bool read_strings(struct hit_scratch *scratch, __u64 state, __u32 parser_url)
{
	struct parser_strings *strings = &parser_in(scratch)->strings;

	if (parser_url != URL_BEHIND_LLHTTP &&
	    bpf_probe_read_user(strings, sizeof(*strings), (void *)(state + parser_url - URL_AT)))
		return false;
	/* A parser that contradicts itself counts as unreadable. */
	return strings->name_count < MAX_FIELDS && strings->name_count == strings->value_count;
}

#define HEAD_WINDOW 1024 /* of a head, from the target on */

/* Reads the head from the target to the last value, if it is in one piece, so that its texts need no reads of their own. */
static __always_inline void read_window(struct hit_scratch *scratch)
{
	const struct parser_strings *strings = &parser_in(scratch)->strings;
	const struct parser_string *last = &strings->url;
	__u64 span, index = strings->value_count - 1;
	__u32 bytes;

	barrier_var(index);
	if (index < MAX_FIELDS)
		last = &strings->values[index];
	scratch->window_address = strings->url.text;
	span = last->text + last->len - strings->url.text;
	bytes = span <= HEAD_WINDOW ? span : span < 65536 ? HEAD_WINDOW : strings->url.len;
	barrier_var(bytes);
	scratch->window_len = 0;
	if (bytes <= HEAD_WINDOW && bpf_probe_read_user(scratch->text, bytes, (void *)scratch->window_address) == 0)
		scratch->window_len = bytes;
}

/* Where in scratch->text a text of the process is. HEAD_WINDOW: nowhere. */
static __always_inline __u64 place_in_window(const struct hit_scratch *scratch, __u64 text, __u64 len)
{
	__u64 at = text - scratch->window_address, window_len = scratch->window_len;

	return at < window_len && len <= window_len - at && window_len <= HEAD_WINDOW ? at : HEAD_WINDOW;
}

/* Where the wanted headers are among the fields: index + 1. 0: absent. */
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
#define NT 0x746eu                         /* nt */
#define TE 0x6574u                         /* te */
#define ENT 0x746e65u                      /* ent */

/* Headers on their way to find_headers(). */
struct header_search {
	struct wanted_headers *found;
	struct hit_scratch *scratch;
};

static __always_inline void look_at_name(struct wanted_headers *found, __u32 place, __u32 len, __u64 first, __u64 second)
{
	first = LOWER(first);
	second = LOWER(second);
	if (len == 4) {
		if ((__u32)first == HOST && !found->host)
			found->host = place;
	} else if (len == 10) {
		if (first == USER_AGEN && (second & 0xffff) == NT)
			found->user_agent = place;
		else if (first == TRACESTA && (second & 0xffff) == TE && !found->tracestate)
			found->tracestate = place;
	} else if (first == TRACEPAR_ && (second & 0xffffff) == ENT) {
		found->traceparent = place;
		found->traceparents++;
	}
}

/* Keeps the position of one header, if it is wanted. */
static long look_at_header(__u32 index, struct header_search *search)
{
	struct hit_scratch *scratch = search->scratch;
	const struct parser_string *name;
	__u64 words[2] = {}, at, len;
	__u32 bytes;

	if (index >= MAX_FIELDS)
		return 1;
	name = &parser_in(scratch)->strings.names[index];
	len = name->len;
	if (len != 4 && len != 10 && len != 11)
		return 0;
	at = place_in_window(scratch, name->text, len);
	barrier_var(at);
	if (at < HEAD_WINDOW) {
		look_at_name(search->found, index + 1, len, *(__u64 *)(scratch->text + at), *(__u64 *)(scratch->text + at + 8));
	} else {
		bytes = len;
		barrier_var(bytes);
		if (bytes > 11 || bpf_probe_read_user(words, bytes, (void *)name->text))
			return 0;
		look_at_name(search->found, index + 1, len, words[0], words[1]);
	}
	return 0;
}

static __always_inline void find_headers(struct wanted_headers *found, struct hit_scratch *scratch)
{
	struct header_search search = { .found = found, .scratch = scratch };

	bpf_loop(parser_in(scratch)->strings.name_count, look_at_header, &search, 0);
}

/* The value of a header that find_headers() found. Empty if it did not. */
static __always_inline struct uspan_text_ref header_value(struct hit_scratch *scratch, __u32 place)
{
	struct uspan_text_ref value = {};
	__u64 index = place - 1;

	barrier_var(index);
	if (index < MAX_FIELDS) {
		value.ptr = parser_in(scratch)->strings.values[index].text;
		value.len = parser_in(scratch)->strings.values[index].len;
	}
	return value;
}

#endif
