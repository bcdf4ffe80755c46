/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the span of a call of Go's net/http client has: from its Request and URL at the start, from its Response or error at the end. */
#ifndef USPAN_GO_CLIENT_CALL_H
#define USPAN_GO_CLIENT_CALL_H

#include "common/regs.h"
#include "go/errors.h"
#include "go/headers.h"
#include "go/requests.h"

#define MAX_METHOD_BYTES 64
#define MAX_SCHEME_BYTES 16
#define MAX_HOST_BYTES 256

static __always_inline struct uspan_go_call *go_call(struct uspan_open_span *span)
{
	return (struct uspan_go_call *)span->own;
}

/* A text among the parts of a call's URL. */
#define URL_PART(call, field) (&(call)->url[USPAN_HTTP_CLIENT_##field - USPAN_HTTP_CLIENT_SCHEME])

/*
 * Finds the parts of a URL. False if it has no host: net/http refuses it, and makes no attempt. A target that the program wrote itself
 * (url.URL.Opaque) is sent in place of the path, as url.URL.RequestURI() says.
 */
static __always_inline bool find_url(struct uspan_go_call *call, const struct uspan_go_http_client_config *config,
				     struct uspan_scratch *raw, __u64 address)
{
	__u32 bytes = config->url_bytes;
	struct uspan_text_ref opaque;

	barrier_var(bytes);
	if (bytes > USPAN_RAW_BYTES || bpf_probe_read_user(raw->bytes, bytes, (void *)address))
		return false;
	*URL_PART(call, SCHEME) = raw_text(raw, config->url_scheme);
	*URL_PART(call, HOST) = raw_text(raw, config->url_host);
	*URL_PART(call, PATH) = raw_text(raw, config->url_path);
	*URL_PART(call, RAW_PATH) = raw_text(raw, config->url_raw_path);
	*URL_PART(call, QUERY) = raw_text(raw, config->url_raw_query);
	call->force_query = !URL_PART(call, QUERY)->len && (raw_word(raw, config->url_force_query) & 1);
	opaque = raw_text(raw, config->url_opaque);
	call->is_opaque = opaque.len != 0;
	if (opaque.len) {
		*URL_PART(call, PATH) = opaque;
		URL_PART(call, RAW_PATH)->len = 0;
	}
	return URL_PART(call, HOST)->len;
}

/*
 * A URL in one piece. Its length is 0 if it is not in one piece. url.Parse() takes the parts from the text that it was given, so they often
 * lie there side by side. That text has no credentials if the host follows the scheme.
 */
static __always_inline struct uspan_text_ref whole_url(const struct uspan_go_call *call)
{
	const struct uspan_text_ref *scheme = URL_PART(call, SCHEME), *host = URL_PART(call, HOST), *path = URL_PART(call, PATH);
	const struct uspan_text_ref *query = URL_PART(call, QUERY);
	struct uspan_text_ref whole = {};
	__u64 end = host->ptr + host->len;

	if (call->is_opaque || call->force_query)
		return whole;
	if (host->ptr != scheme->ptr + scheme->len + 3 || URL_PART(call, RAW_PATH)->len || (path->len && path->ptr != end))
		return whole;
	end += path->len;
	if (query->len && query->ptr != end + 1)
		return whole;
	if (query->len)
		end += 1 + query->len;
	whole.ptr = scheme->ptr;
	whole.len = end - whole.ptr;
	return whole;
}

/* The URL: in one piece, or in parts. */
static __always_inline void put_url(struct uspan_open_span *span, __u32 max_bytes)
{
	struct uspan_go_call *call = go_call(span);
	struct uspan_text_ref whole = whole_url(call);

	if (whole.len) {
		span_put(span, USPAN_HTTP_CLIENT_URL, whole, max_bytes);
		return;
	}
	span_put(span, USPAN_HTTP_CLIENT_SCHEME, *URL_PART(call, SCHEME), MAX_SCHEME_BYTES);
	span_put(span, USPAN_HTTP_CLIENT_HOST, *URL_PART(call, HOST), MAX_HOST_BYTES);
	span_put(span, call->is_opaque ? USPAN_HTTP_CLIENT_OPAQUE : USPAN_HTTP_CLIENT_PATH, *URL_PART(call, PATH), max_bytes);
	span_put(span, USPAN_HTTP_CLIENT_RAW_PATH, *URL_PART(call, RAW_PATH), max_bytes);
	span_put(span, USPAN_HTTP_CLIENT_QUERY, *URL_PART(call, QUERY), max_bytes);
	if (call->force_query)
		span_put_number(span, USPAN_HTTP_CLIENT_FORCE_QUERY, 1);
}

/*
 * The method, which goes first in the record. Most methods are constants of the program, and a goroutine's next call often has the same
 * one.
 */
static __always_inline void put_method(struct uspan_open_span *span, struct uspan_text_ref method, __u64 near)
{
	const struct uspan_field_head *kept = (struct uspan_field_head *)span->fields;
	struct uspan_go_call *call = go_call(span);

	if (method.ptr && method.ptr == call->method && method.len == kept->len) {
		span->used = FIELD_HEAD + ((kept->len + 3) & ~3u);
		return;
	}
	span->used = 0;
	span_put(span, USPAN_HTTP_CLIENT_METHOD, method, MAX_METHOD_BYTES);
	call->method = is_constant(method.ptr, near) ? method.ptr : 0;
}

/* The error of a context that is done: that of the nearest context that can be done. */
static __always_inline struct go_interface context_error(const struct uspan_go_call *call,
							 const struct uspan_go_http_client_config *config,
							 const struct uspan_go_binary *binary)
{
	struct go_interface context = {}, error = {};

	if (bpf_probe_read_user(&context, sizeof(context), (void *)(call->request + config->request_ctx)))
		return error;
	for (__u32 i = 0; i < 8; i++) {
		__u32 hash = go_type_hash(context.type);

		if (!hash)
			break;
		if (hash == binary->link.cancel_ctx_hash || hash == binary->timer_ctx_hash) {
			bpf_probe_read_user(&error, sizeof(error), (void *)(context.data + binary->link.cancel_ctx_err));
			break;
		}
		if (bpf_probe_read_user(&context, sizeof(context), (void *)context.data))
			break;
	}
	return error;
}

/* Whether an error has the text of net/http.ErrSkipAltProtocol: another transport does not take the request. */
static __always_inline bool is_skipped(const struct uspan_text_ref *text)
{
	static const char skipped[] = "net/http: skip alternate protocol";
	char start[16];

	return text->len == sizeof(skipped) - 1 && bpf_probe_read_user(start, sizeof(start), (void *)text->ptr) == 0 &&
	       __builtin_memcmp(start, skipped, sizeof(start)) == 0;
}

/* The fields of a net/http.Response that are read. They follow one another. */
struct go_response {
	__u64 status;
	struct uspan_text_ref protocol;
	__u64 protocol_major;
	__u64 protocol_minor;
};

static __always_inline void put_response(struct uspan_open_span *span, __u64 address, const struct uspan_go_http_client_config *config)
{
	struct go_response response;

	if (bpf_probe_read_user(&response, sizeof(response), (void *)(address + config->response_status)))
		return;
	span_put_number(span, USPAN_HTTP_CLIENT_STATUS, response.status);
	span_put_number(span, USPAN_HTTP_CLIENT_PROTOCOL, response.protocol_major << 8 | (response.protocol_minor & 0xff));
}

#endif
