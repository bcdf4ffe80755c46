// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go net/http server, HTTP/1: one span a request from two hits.
 *
 *   start  net/http.serverHandler.ServeHTTP(handler *Server, rw ResponseWriter, req *Request), arguments still in registers
 *   end    in net/http.(*conn).serve, the first cheap instruction after that call returned
 *   panic  in net/http.(*conn).serve.func1 (its deferred recover), on the path taken only while a response is in flight
 *
 * All three are keyed by goroutine, never by thread. One program serves the three moments, so a binary needs one link.
 * Texts are copied at the start, as a handler may drop them. Own BPF rather than the generic pair because the parent is in the header map.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "common/regs.h"
#include "go/binary.h"
#include "go/head.h"
#include "go/headers.h"
#include "go/requests.h"
#include "span/life.h"

char LICENSE[] SEC("license") = "GPL";

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_http_config);
} go_http_configs SEC(".maps");

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

/*
 * The peer's address is one and the same string for all requests of a connection. When a connection has ended, its goroutine and
 * the memory of that string can both serve another, but not sooner than after a garbage collection and an accept().
 */
#define MEMORY_REUSED_AFTER_NS 10000

/*
 * Lets child spans find the requests of a connection, by its context and by the goroutine that serves it: see go/link.h. Once a
 * connection. Returns whether this is the connection of the goroutine's last request, which ended at `last_end_ns`.
 */
static __always_inline bool register_connection(struct uspan_open_span *span, const struct uspan_open_span_key *key,
						const struct uspan_go_binary *binary, __u64 peer, __u64 last_end_ns)
{
	struct uspan_go_request *request = go_request(span);
	struct uspan_go_connection served = { .goroutine = key->owner };
	struct uspan_go_connection_key connection = { .pid = key->pid };
	struct uspan_go_goroutine_key goroutine = { .pid = key->pid };
	bool same_peer = peer == request->peer;

	if (same_peer && span->head.start_ktime_ns - last_end_ns < MEMORY_REUSED_AFTER_NS)
		return true;
	if (binary->link.g_goid == USPAN_FIELD_ABSENT)
		return false;
	served.goid = goroutine.goid = read_u64(key->owner + binary->link.g_goid);
	if (!served.goid)
		return false;
	if (same_peer && served.goid == request->goid)
		return true;
	request->goid = served.goid;
	bpf_map_update_elem(&go_goroutines, &goroutine, &key->owner, BPF_ANY);
	if (binary->cancel_ctx_parent == USPAN_FIELD_ABSENT)
		return false;
	connection.context = read_u64(request->request_ctx + binary->cancel_ctx_parent);
	if (connection.context)
		bpf_map_update_elem(&go_connections, &connection, &served, BPF_ANY);
	return false;
}

/* Method and target lie side by side in the request line that Go read, hence one read for both. */
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

/* Texts of a request on their way from its Request to the record. */
struct request_texts {
	struct uspan_text_ref method;
	struct uspan_text_ref target;
	struct uspan_text_ref host;
	struct uspan_text_ref peer;
};

static __always_inline void put_texts(struct uspan_open_span *span, const struct uspan_go_http_config *config,
				      const struct request_texts *texts, const struct header_scan *scan, bool parented)
{
	put_request_line(span, texts->method, texts->target, config->probe.max_target_bytes);
	span_put(span, USPAN_HTTP_SERVER_HOST, texts->host, MAX_HOST_BYTES);
	if (scan->user_agent)
		span_put(span, USPAN_HTTP_SERVER_USER_AGENT, first_text(scan->user_agent), MAX_USER_AGENT_BYTES);
	if (parented && scan->tracestate)
		span_put(span, USPAN_HTTP_SERVER_TRACESTATE, first_text(scan->tracestate), MAX_TRACESTATE_BYTES);
}

/*
 * Reads the request's head to the scratch memory and finds in it what is wanted. False where it is not there, or not known for certain:
 * `had_body` is of the connection's request before.
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

/* The header that lies first behind `last`, of those that become fields; HEAD_TEXTS: none. */
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
	/* A target with a host of its own overrules the header (RFC 9112 section 3.2.2). */
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
	/* First, so that it can stay where it is for the connection's next request. */
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
 * The server cancels the connection's context when its background read finds the client gone. That read runs in a goroutine of its
 * own, so a request this short is over before it can tell, and is spared the two reads (80 ns each).
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

/* The pattern that ServeMux matched. Most are constants of the program, and one goroutine meets the same again and again. */
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

/* What only the end knows. */
static __always_inline void put_outcome(struct pt_regs *ctx, struct uspan_open_span *span, const struct uspan_go_http_config *config,
					const struct uspan_go_binary *binary, __u32 moment, __u64 now)
{
	struct uspan_go_request *request = go_request(span);
	__u32 status = read_u64(request->response + config->response_status);
	__u64 connection;
	__u8 hijacked = 0;

	if (moment == USPAN_HTTP_SERVER_PANIC)
		span->head.span_flags |= USPAN_SPAN_PANIC;
	if (was_aborted(span, binary, now))
		span->head.span_flags |= USPAN_SPAN_ABORTED;
	/* A hijacked connection never has a status written through the response. */
	if (status == 0 && config->conn_hijacked != USPAN_FIELD_ABSENT) {
		connection = read_u64(request->response + config->response_conn);
		bpf_probe_read_user(&hijacked, 1, (void *)(connection + config->conn_hijacked));
		if (hijacked & 1)
			span->head.span_flags |= USPAN_SPAN_HIJACKED;
	}
	span_put_number(span, USPAN_HTTP_SERVER_STATUS, status);
	put_pattern(ctx, span, config);
}

static __always_inline void end(struct pt_regs *ctx, const struct uspan_open_span_key *key,
				const struct uspan_go_http_config *config, const struct uspan_go_binary *binary,
				const struct site *site)
{
	struct uspan_open_span *span = span_find(&go_http_in_flight, key);
	__u64 now;

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
	count_hit(site.probe_id, site.moment);
	if (!wanted(config->probe.filter_by_process, key.pid)) {
		if (site.moment == USPAN_HTTP_SERVER_START)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	if (site.moment == USPAN_HTTP_SERVER_START)
		start(ctx, &key, config, binary);
	else
		end(ctx, &key, config, binary, &site);
	return 0;
}
