// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go net/http server, HTTP/1: one span per request, from two hits.
 *
 *   start  net/http.serverHandler.ServeHTTP(handler *Server, rw ResponseWriter, req *Request), arguments still in registers
 *   end    in net/http.(*conn).serve, the first cheap instruction after that call returned
 *   panic  in net/http.(*conn).serve.func1 (its deferred recover), on the path taken only while a response is in flight: a panic left the
 *          handler, or runtime.Goexit() did
 *
 * Two more are only counted:
 *
 *   http2    (*serverConn).runHandler of golang.org/x/net/http2, which has a server of its own
 *   replied  where (*conn).serve answers a request that it cannot take: 400, 417, 431, 501 and 505 have no handler
 *
 * The first three have the goroutine as their key, never the thread. One program serves the three moments, so a binary needs one link. Texts are
 * copied at the start, because a handler may drop them. The generic pair does not fit, because the parent is in the header map.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/regs.h"
#include "go/binary.h"
#include "go/register.h"
#include "go/request_texts.h"
#include "go/value.h"
#include "span/life.h"

char LICENSE[] SEC("license") = "GPL";

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_http_config);
} go_http_configs SEC(".maps");

#define PREFACE 1 /* in place of a request's address */

/*
 * Whether this is no request, but the start of HTTP/2 by prior knowledge (RFC 9113 section 3.4), which net/http reads as one and hands to
 * the handler. That of golang.org/x/net/http2/h2c takes the connection over, and returns when it is closed.
 */
static __always_inline bool is_preface(struct uspan_text_ref method)
{
	char text[3] = {};

	return method.len == 3 && bpf_probe_read_user(text, sizeof(text), (void *)method.ptr) == 0 && text[0] == 'P' &&
	       text[1] == 'R' && text[2] == 'I';
}

static __always_inline void start(struct pt_regs *ctx, const struct uspan_open_span_key *key,
				  const struct uspan_go_http_config *config, const struct uspan_go_binary *binary)
{
	__u64 response_address = GO_ARG2(ctx), request_address = GO_ARG3(ctx), header_map, last_end_ns;
	struct header_scan scan = { .near = GO_IP(ctx) };
	struct uspan_open_span *span;
	struct uspan_go_request *request;
	struct uspan_scratch *raw;
	struct request_texts texts;
	struct go_head head = {};
	__u32 bytes, protocol;
	bool parented, has_body, in_head;

	span = span_open(&go_http_in_flight, USPAN_EVENT_HTTP_SERVER, key);
	if (!span)
		return;
	request = go_request(span);
	if (span->open) {
		if (request->request == request_address && request->response == response_address) {
			count(USPAN_COUNTER_REFIRED);
			return;
		}
		span_abandon(span);
	}
	last_end_ns = span->head.head.ktime_ns;
	span_start(span, 0);
	raw = (struct uspan_scratch *)(span->fields + USPAN_SCRATCH_AT);
	bytes = config->request_bytes;
	barrier_var(bytes);
	if (bytes > USPAN_RAW_BYTES || bpf_probe_read_user(raw->bytes, bytes, (void *)request_address)) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		goto release;
	}
	if (raw_word(raw, config->request_proto_major) != 1) {
		if (is_preface(raw_text(raw, config->request_method))) {
			request->request = PREFACE;
			return;
		}
		count(USPAN_COUNTER_SKIPPED_HTTP2);
		goto release; /* each HTTP/2 request has a goroutine of its own */
	}
	request->request = request_address;
	request->response = response_address;
	protocol = 1 << 8 | (raw_word(raw, config->request_proto_minor) & 0xff);
	if (raw_word(raw, config->request_tls))
		span->head.span_flags = USPAN_SPAN_TLS;
	texts.method = raw_text(raw, config->request_method);
	texts.target = raw_text(raw, config->request_target);
	texts.host = raw_text(raw, config->request_host);
	texts.peer = raw_text(raw, config->request_remote_addr);
	header_map = raw_word(raw, config->request_header);
	request->request_ctx = raw_word(raw, config->request_ctx + 8); /* an interface: type, then data */
	has_body = raw_word(raw, config->request_content_length) != 0;
	if (!register_connection(span, key, binary, texts.peer.ptr, last_end_ns)) {
		request->peer_bytes = 0;
		request->reader = 0;
		request->had_body = 0;
	}
	request->peer = texts.peer.ptr;
	in_head = read_head(span, config, raw, &texts, &head, request->had_body);
	request->had_body = has_body;
	if (in_head) {
		parented = take_head_traceparent(&head, raw, &span->head);
	} else {
		/* From here on the scratch memory holds header groups. */
		scan.names[0] = request->names[0];
		scan.names[1] = request->names[1];
		if (header_map && !scan_headers(&scan, &binary->map, raw, header_map))
			count(USPAN_COUNTER_HEADERS_NOT_SCANNED);
		request->names[0] = scan.names[0];
		request->names[1] = scan.names[1];
		parented = take_traceparent(&scan, raw, &span->head);
	}
	span_begin(span, &config->probe, key->owner, parented ? SPAN_REMOTE : SPAN_ROOT);
	if (!span->sampled)
		return;
	span->used = request->peer_bytes;
	/* It goes first, so that it can stay there for the connection's next request. */
	if (!request->peer_bytes) {
		span_put(span, USPAN_HTTP_SERVER_PEER, texts.peer, MAX_PEER_BYTES);
		request->peer_bytes = span->used;
	}
	if (in_head)
		put_head(span, config, raw, &texts, &head, parented);
	else
		put_texts(span, config, &texts, &scan, parented);
	span_put_number(span, USPAN_HTTP_SERVER_PROTOCOL, protocol);
	return;
release:
	request->peer_bytes = 0;
	span_release(&go_http_in_flight, USPAN_EVENT_HTTP_SERVER, key);
}

/*
 * The server cancels the connection's context when its background read finds that the client is gone. That read runs in a goroutine of its
 * own. A request this short ends before it can tell, so the two reads (80 ns each) are skipped.
 */
#define ABORT_TOLD_AFTER_NS 100000

static __always_inline bool was_aborted(struct uspan_open_span *span, const struct uspan_go_binary *binary, __u64 now)
{
	__u64 request_ctx = go_request(span)->request_ctx, connection_ctx;

	if (now - span->head.start_ktime_ns < ABORT_TOLD_AFTER_NS || !request_ctx ||
	    binary->cancel_ctx_parent == USPAN_FIELD_ABSENT || binary->link.cancel_ctx_err == USPAN_FIELD_ABSENT)
		return false;
	connection_ctx = read_u64(request_ctx + binary->cancel_ctx_parent);
	return connection_ctx && read_u64(connection_ctx + binary->link.cancel_ctx_err);
}

/* The pattern that ServeMux matched. Most are constants of the program, and one goroutine meets the same ones again and again. */
static __always_inline void put_pattern(struct pt_regs *ctx, struct uspan_open_span *span, const struct uspan_go_http_config *config)
{
	struct uspan_go_request *request = go_request(span);
	struct uspan_text_ref pattern = {};
	__u64 pat;

	if (config->request_pattern != USPAN_FIELD_ABSENT) {
		bpf_probe_read_user(&pattern, sizeof(pattern), (void *)(request->request + config->request_pattern));
	} else if (config->request_pat != USPAN_FIELD_ABSENT && config->pattern_str != USPAN_FIELD_ABSENT) {
		pat = read_u64(request->request + config->request_pat);
		if (pat)
			bpf_probe_read_user(&pattern, sizeof(pattern), (void *)(pat + config->pattern_str));
	}
	if (!pattern.len)
		return;
	if (!is_constant(pattern.ptr, GO_IP(ctx)) || pattern.len > sizeof(request->pattern_text)) {
		span_put(span, USPAN_HTTP_SERVER_PATTERN, pattern, MAX_PATTERN_BYTES);
		return;
	}
	if (request->pattern != pattern.ptr || request->pattern_len != pattern.len) {
		__u32 len = pattern.len;

		barrier_var(len);
		if (len > sizeof(request->pattern_text) || bpf_probe_read_user(request->pattern_text, len, (void *)pattern.ptr)) {
			request->pattern = 0;
			span_put_unreadable(span, USPAN_HTTP_SERVER_PATTERN);
			return;
		}
		request->pattern = pattern.ptr;
		request->pattern_len = len;
	}
	span_put_kernel(span, USPAN_HTTP_SERVER_PATTERN, request->pattern_text, sizeof(request->pattern_text), request->pattern_len);
}

/*
 * What ends a goroutine while its deferred functions run. runtime.Goexit() runs them too, and net/http's recover() then finds no panic.
 * The record of either is in runtime.g._panic until the deferred function returns.
 */
static __always_inline enum uspan_span_flag leaving_by(struct pt_regs *ctx, const struct uspan_go_http_config *config)
{
	__u8 goexit = 0;
	__u64 panic;

	if (config->g_panic == USPAN_FIELD_ABSENT || config->panic_goexit == USPAN_FIELD_ABSENT)
		return USPAN_SPAN_PANIC;
	panic = read_u64(GO_G(ctx) + config->g_panic);
	if (panic)
		bpf_probe_read_user(&goexit, sizeof(goexit), (void *)(panic + config->panic_goexit));
	return goexit & 1 ? USPAN_SPAN_GOEXIT : USPAN_SPAN_PANIC;
}

/* The part of a net/http.response that tells how a request ended, from `w` up to the status. */
struct go_response_end {
	__u64 writer;
	__u8 between[56];
	__u64 status;
};

/*
 * What is known only at the end. Hijack() takes the response's writer away, no matter whether the handler wrote a status before: libraries
 * for WebSocket do, and so do proxies when they answer a CONNECT.
 */
static __always_inline void put_outcome(struct pt_regs *ctx, struct uspan_open_span *span, const struct uspan_go_http_config *config,
					const struct uspan_go_binary *binary, __u32 moment, __u64 now)
{
	struct uspan_go_request *request = go_request(span);
	struct go_response_end response = {};

	if (config->response_writer == USPAN_FIELD_ABSENT)
		response.status = read_u64(request->response + config->response_status);
	else if (bpf_probe_read_user(&response, sizeof(response), (void *)(request->response + config->response_writer)) == 0 &&
		 !response.writer)
		span->head.span_flags |= USPAN_SPAN_HIJACKED;
	if (moment == USPAN_HTTP_SERVER_PANIC)
		span->head.span_flags |= leaving_by(ctx, config);
	if (was_aborted(span, binary, now))
		span->head.span_flags |= USPAN_SPAN_ABORTED;
	span_put_number(span, USPAN_HTTP_SERVER_STATUS, response.status);
	put_pattern(ctx, span, config);
}

static __always_inline void end(struct pt_regs *ctx, const struct uspan_open_span_key *key,
				const struct uspan_go_http_config *config, const struct uspan_go_binary *binary,
				const struct site *site)
{
	struct uspan_open_span *span = span_find(&go_http_in_flight, key);
	__u64 now;

	if (span && !span->open && go_request(span)->request == PREFACE) {
		go_request(span)->request = 0;
		go_request(span)->peer_bytes = 0;
		span_release(&go_http_in_flight, USPAN_EVENT_HTTP_SERVER, key);
		return;
	}
	if (!span || !span->open) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	span->open = 0;
	now = bpf_ktime_get_ns();
	span_finish_head(span, site, bpf_get_current_pid_tgid(), USPAN_EVENT_HTTP_SERVER, now);
	if (span->sampled) {
		put_outcome(ctx, span, config, binary, site->moment, now);
		span_send(span);
	} else {
		count(USPAN_COUNTER_SAMPLED_OUT);
	}
	span_release(&go_http_in_flight, USPAN_EVENT_HTTP_SERVER, key);
}

/*
 * A request of golang.org/x/net/http2: (*serverConn).runHandler(sc, rw, req, handler). If it serves for a net/http.Server, the handler goes
 * on to serverHandler.ServeHTTP(), where the request is counted.
 */
static __always_inline void count_http2(struct pt_regs *ctx, const struct uspan_go_http_config *config)
{
	__u32 hash;

	if (config->http2_handler == USPAN_FIELD_ABSENT)
		return;
	hash = go_type_hash(read_u64(GO_ARG0(ctx) + config->http2_handler));
	if (!hash || hash != config->alpn_hash)
		count(USPAN_COUNTER_SKIPPED_HTTP2);
}

SEC("uprobe")
int go_http_server(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_open_span_key key = { .owner = GO_G(ctx), .pid = bpf_get_current_pid_tgid() >> 32 };
	const struct uspan_go_http_config *config = bpf_map_lookup_elem(&go_http_configs, &site.probe_id);

	const struct uspan_go_binary *binary;

	if (!config)
		return 0;
	binary = go_binary(&config->probe);
	if (!binary)
		return 0;
	if (!hits_target(&site, &config->probe, key.pid, site.moment == USPAN_HTTP_SERVER_START))
		return 0;
	switch (site.moment) {
	case USPAN_HTTP_SERVER_START:
		start(ctx, &key, config, binary);
		break;
	case USPAN_HTTP_SERVER_HTTP2:
		count_http2(ctx, config);
		break;
	case USPAN_HTTP_SERVER_REPLIED:
		count(USPAN_COUNTER_SERVER_REPLIED);
		break;
	default:
		end(ctx, &key, config, binary, &site);
	}
	return 0;
}
