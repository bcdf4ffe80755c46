// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go net/http client: one span for each attempt on the wire, from two hits in net/http.(*Transport).roundTrip(t, req *Request).
 *
 *   start          its entry, arguments still in registers
 *   end            the branch on the error of (*persistConn).roundTrip, which HTTP/2's first request on a connection also passes
 *   alternate      the branch on the error of another transport: HTTP/2 on an open connection, or net/http.ErrSkipAltProtocol
 *   no_connection  the path taken when (*Transport).getConn returned an error
 *   cancelled      the path taken when the context was done before the attempt
 *   retry          the call of rewindBody on the path to another attempt
 *
 * At the branches the results are still in registers: AX *Response, BX and CX error. The body is read later, in the caller's time. A
 * request that net/http refuses before it looks for a connection (no host, a bad method) is not an attempt, and has no span.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/binary.h"
#include "go/client_call.h"
#include "go/link.h"

char LICENSE[] SEC("license") = "GPL";

OPEN_SPANS(go_http_client_in_flight);

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_http_client_config);
} go_http_client_configs SEC(".maps");

/* A hit, and what is known of its site. */
struct hit {
	const struct uspan_go_http_client_config *config;
	struct uspan_open_span_key key;
	__u64 pid_tgid;
	struct site site;
};

/* The trace that the program itself puts into the call's headers, otherwise a new one. */
static __always_inline void begin_root(const struct hit *hit, struct uspan_open_span *span, struct uspan_scratch *raw, __u64 header_map)
{
	const struct uspan_go_binary *binary = go_binary(&hit->config->probe);
	struct header_scan scan = {};
	bool parented;

	if (binary && header_map && !scan_headers(&scan, &binary->map, raw, header_map))
		count(USPAN_COUNTER_HEADERS_NOT_SCANNED);
	parented = take_traceparent(&scan, raw, &span->head);
	span_begin(span, &hit->config->probe, hit->key.owner, parented ? SPAN_REMOTE : SPAN_ROOT);
}

static __always_inline void begin(const struct hit *hit, struct pt_regs *ctx, struct uspan_open_span *span)
{
	const struct uspan_go_http_client_config *config = hit->config;
	struct uspan_scratch *raw = (struct uspan_scratch *)(span->fields + USPAN_SCRATCH_AT);
	struct uspan_go_call *call = go_call(span);
	struct go_interface context;
	struct uspan_text_ref method;
	__u64 url, header_map;
	__u32 bytes = config->request_bytes;

	span_start(span, 0);
	call->base = GO_IP(ctx) - hit->site.spec;
	barrier_var(bytes);
	if (bytes > USPAN_RAW_BYTES || bpf_probe_read_user(raw->bytes, bytes, (void *)call->request)) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		goto release;
	}
	method = raw_text(raw, config->request_method);
	url = raw_word(raw, config->request_url);
	header_map = raw_word(raw, config->request_header);
	context.type = raw_word(raw, config->request_ctx);
	context.data = raw_word(raw, config->request_ctx + 8);
	if (!begin_for_request(span, call->base, &hit->key, context, &config->probe))
		begin_root(hit, span, raw, header_map);
	if (!span->sampled)
		return;
	if (!find_url(call, config, raw, url)) {
		count(USPAN_COUNTER_NOT_SENT);
		goto release;
	}
	put_method(span, method, GO_IP(ctx));
	put_url(span, config->probe.max_target_bytes);
	if (call->resends)
		span_put_number(span, USPAN_HTTP_CLIENT_RESENDS, call->resends);
	return;
release:
	span->open = 0;
	span_release(&go_http_client_in_flight, USPAN_EVENT_HTTP_CLIENT, &hit->key);
}

/* The entry of a call that begins. 0: there is no room. */
static __always_inline struct uspan_open_span *start(struct pt_regs *ctx, const struct uspan_open_span_key *key)
{
	struct uspan_open_span *span = span_open(&go_http_client_in_flight, USPAN_EVENT_HTTP_CLIENT, key);
	struct uspan_go_call *call;

	if (!span)
		return 0;
	call = go_call(span);
	if (span->open)
		count(call->request == GO_ARG1(ctx) ? USPAN_COUNTER_REFIRED : USPAN_COUNTER_NOT_SENT);
	call->request = GO_ARG1(ctx);
	call->resends = 0;
	return span;
}

/*
 * The entry of a call whose last attempt has ended, for another attempt. The last one may have been no attempt at all, and still be open.
 * Then there is none.
 */
static __always_inline struct uspan_open_span *retry(const struct uspan_open_span_key *key)
{
	struct uspan_open_span *span = span_find(&go_http_client_in_flight, key);

	if (!span || span->open)
		return 0;
	go_call(span)->resends++;
	return span;
}

/* Puts how the attempt ended. False if it did not end. */
static __always_inline bool put_outcome(const struct hit *hit, struct pt_regs *ctx, struct uspan_open_span *span)
{
	struct go_error_walk walk = { .at = { .type = GO_ARG1(ctx), .data = GO_ARG2(ctx) } };
	__u32 moment = hit->site.moment, saved = hit->site.spec;
	const struct uspan_go_binary *binary;

	if (moment == USPAN_HTTP_CLIENT_END && !walk.at.type) {
		put_response(span, GO_ARG0(ctx), hit->config);
		return true;
	}
	binary = go_binary(&hit->config->probe);
	if (!binary)
		return true;
	if (moment == USPAN_HTTP_CLIENT_CANCELLED) {
		walk.at = context_error(go_call(span), hit->config, binary);
	} else if (saved && moment == USPAN_HTTP_CLIENT_NO_CONNECTION) {
		/* Go saved both words on the stack before this site. */
		walk.at.type = go_word(GO_SP(ctx) + (saved >> 16));
		walk.at.data = go_word(GO_SP(ctx) + (saved & 0xffff));
	}
	if (!walk.at.type && moment != USPAN_HTTP_CLIENT_CANCELLED) {
		put_response(span, GO_ARG0(ctx), hit->config);
		return true;
	}
	find_error(&walk, binary);
	if (walk.reads == USPAN_GO_ERROR_READS_SKIP || (moment == USPAN_HTTP_CLIENT_ALTERNATE && is_skipped(&walk.text)))
		return false;
	put_error(span, &walk, go_call(span)->base, binary);
	return true;
}

static __always_inline void end(const struct hit *hit, struct pt_regs *ctx)
{
	struct uspan_open_span *span = span_find(&go_http_client_in_flight, &hit->key);

	if (!span || !span->open) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	if (!put_outcome(hit, ctx, span))
		return;
	span->open = 0;
	if (span->sampled) {
		span_finish_head(span, &hit->site, hit->pid_tgid, USPAN_EVENT_HTTP_CLIENT, bpf_ktime_get_ns());
		span_send(span);
	} else {
		count(USPAN_COUNTER_SAMPLED_OUT);
	}
	span_release(&go_http_client_in_flight, USPAN_EVENT_HTTP_CLIENT, &hit->key);
}

SEC("uprobe")
int go_http_client(struct pt_regs *ctx)
{
	struct hit hit = { .site = site_of(ctx), .pid_tgid = bpf_get_current_pid_tgid() };
	struct uspan_open_span *span;

	hit.key = (struct uspan_open_span_key){ .owner = GO_G(ctx), .pid = hit.pid_tgid >> 32 };
	hit.config = bpf_map_lookup_elem(&go_http_client_configs, &hit.site.probe_id);
	if (!hit.config)
		return 0;
	if (!hits_target(&hit.site, &hit.config->probe, hit.key.pid, hit.site.moment == USPAN_HTTP_CLIENT_START))
		return 0;
	switch (hit.site.moment) {
	case USPAN_HTTP_CLIENT_START:
		span = start(ctx, &hit.key);
		break;
	case USPAN_HTTP_CLIENT_RETRY:
		span = retry(&hit.key);
		break;
	default:
		end(&hit, ctx);
		return 0;
	}
	/* In one place, so that the verifier walks it once. */
	if (span)
		begin(&hit, ctx, span);
	return 0;
}
