/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Node's HTTP parser as it is when it has read a head: where it keeps the target and the headers. */
#ifndef USPAN_NODE_PARSER_H
#define USPAN_NODE_PARSER_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

/* llhttp.h of the Node.js tree, llhttp_t: the same in llhttp 6 to 9 up to http_minor. */
#define LLHTTP_BYTES 0x60
#define LLHTTP_TYPE 0x48
#define LLHTTP_METHOD 0x49
#define LLHTTP_HTTP_MAJOR 0x4a
#define LLHTTP_HTTP_MINOR 0x4b
#define LLHTTP_TYPE_REQUEST 1

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

#endif
