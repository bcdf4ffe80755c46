// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go net/http server, HTTP/1: one span a request from two hits.
 *
 *   start  net/http.serverHandler.ServeHTTP(handler *Server, rw ResponseWriter, req *Request), arguments still in registers
 *   end    in net/http.(*conn).serve, the first cheap instruction after that call returned
 *   panic  in net/http.(*conn).serve.func1 (its deferred recover), on the path taken only while a response is in flight
 *
 * All three are keyed by goroutine, never by thread. One program serves the three moments, so a binary needs one link.
 * Own BPF rather than the generic pair because ids, sampling and the parent are decided at the start from the header map.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/headers.h"
#include "go/requests.h"
#include "common/regs.h"
#include "span/spans.h"
#include "span/texts.h"
#include "span/traceparent.h"

char LICENSE[] SEC("license") = "GPL";

/* All zero: what a new entry starts from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_http_in_flight);
} go_http_blank SEC(".maps");

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_http_config);
} go_http_configs SEC(".maps");

/* Entries in go_http_in_flight, with those the agent has swept; touched only when one comes or goes. */
static __u64 in_flight_entries;
/* Entries the agent has removed. Only the agent writes it, in a map of its own, so neither overwrites the other's count. */
volatile __u64 in_flight_swept SEC(".data.swept");

#define MAX_METHOD_BYTES 64
#define MAX_HOST_BYTES 256
#define MAX_PEER_BYTES 64
#define MAX_USER_AGENT_BYTES 512
#define MAX_PATTERN_BYTES 512
#define MAX_TRACESTATE_BYTES 512

static __always_inline __u32 max_text_bytes(__u32 text)
{
	switch (text) {
	case USPAN_HTTP_METHOD:
		return MAX_METHOD_BYTES;
	case USPAN_HTTP_TARGET:
		return uspan_config.max_target_bytes;
	case USPAN_HTTP_HOST:
		return MAX_HOST_BYTES;
	case USPAN_HTTP_PEER:
		return MAX_PEER_BYTES;
	case USPAN_HTTP_USER_AGENT:
		return MAX_USER_AGENT_BYTES;
	case USPAN_HTTP_PATTERN:
		return MAX_PATTERN_BYTES;
	default:
		return MAX_TRACESTATE_BYTES;
	}
}

static __always_inline void raw_text(struct uspan_http_in_flight *entry, __u32 text, __u32 offset)
{
	entry->text[text].ptr = raw_word(&entry->raw, offset);
	entry->text[text].len = raw_word(&entry->raw, offset + 8);
}

/* The first string of a []string whose data is at `strings`, 0: none. */
static __always_inline void slice_text(struct uspan_http_in_flight *entry, __u32 text, __u64 strings)
{
	struct uspan_text_ref ref = {};

	if (strings)
		bpf_probe_read_user(&ref, sizeof(ref), (void *)strings);
	entry->text[text] = ref;
}

/* Takes over the caller's trace, or begins one. Returns whether the span is wanted. */
static __always_inline bool begin_trace(struct uspan_http_in_flight *entry, const struct header_scan *scan)
{
	struct uspan_span_head *span = &entry->event.span;
	bool parented = take_traceparent(scan, span);

	if (!parented)
		new_trace(span);
	slice_text(entry, USPAN_HTTP_TRACESTATE, parented ? scan->tracestate : 0);
	new_span_id(span);
	return sample(&uspan_config, span, parented);
}

static __always_inline struct uspan_http_in_flight *new_entry(const struct uspan_http_in_flight_key *key)
{
	struct uspan_http_in_flight *zero;
	__u32 first = 0;

	zero = bpf_map_lookup_elem(&go_http_blank, &first);
	if (!zero || bpf_map_update_elem(&go_http_in_flight, key, zero, BPF_ANY)) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	__sync_fetch_and_add(&in_flight_entries, 1);
	return bpf_map_lookup_elem(&go_http_in_flight, key);
}

/*
 * A finished entry stays for its goroutine's next request, which saves two map writes a request on keep-alive connections.
 * Only the first half of the map may be held that way, so the other half is always there for requests in flight.
 */
static __always_inline void keep_or_delete(const struct uspan_http_in_flight_key *key)
{
	__s64 entries = in_flight_entries - in_flight_swept;

	if (entries > (__s64)uspan_config.in_flight_keep && bpf_map_delete_elem(&go_http_in_flight, key) == 0)
		__sync_fetch_and_add(&in_flight_entries, -1);
}

/*
 * The peer's address is one and the same string for all requests of a connection. When a connection has ended, its goroutine and
 * the memory of that string can both serve another, but not sooner than after a garbage collection and an accept().
 */
#define MEMORY_REUSED_AFTER_NS 10000

/*
 * Lets child spans find the requests of a connection, by its context and by the goroutine that serves it: see go/link.h. Once a
 * connection; `last_peer` and `last_end_ns` are of the goroutine's last request.
 */
static __always_inline void register_connection(struct uspan_http_in_flight *entry, const struct uspan_http_in_flight_key *key,
						const struct uspan_go_http_config *config, __u64 last_peer, __u64 last_end_ns)
{
	bool same_peer = entry->text[USPAN_HTTP_PEER].ptr == last_peer;
	struct uspan_go_connection served = { .goroutine = key->goroutine };
	struct uspan_go_connection_key connection = { .pid = key->pid };
	struct uspan_go_goroutine_key goroutine = { .pid = key->pid };

	if (config->g_goid == USPAN_FIELD_ABSENT ||
	    (same_peer && entry->event.span.start_ktime_ns - last_end_ns < MEMORY_REUSED_AFTER_NS))
		return;
	served.goid = goroutine.goid = read_u64(key->goroutine + config->g_goid);
	if (!served.goid || (same_peer && served.goid == entry->goid))
		return;
	entry->goid = served.goid;
	bpf_map_update_elem(&go_goroutines, &goroutine, &key->goroutine, BPF_ANY);
	if (config->cancel_ctx_parent == USPAN_FIELD_ABSENT)
		return;
	connection.context = read_u64(entry->request_ctx + config->cancel_ctx_parent);
	if (connection.context)
		bpf_map_update_elem(&go_connections, &connection, &served, BPF_ANY);
}

static __always_inline void start(struct pt_regs *ctx, const struct uspan_http_in_flight_key *key,
				  const struct uspan_go_http_config *config)
{
	__u64 response = GO_ARG2(ctx), request = GO_ARG3(ctx), header_map, last_peer, last_end_ns;
	struct uspan_http_in_flight *entry;
	struct header_scan scan = {};
	struct uspan_span_head *span;

	entry = bpf_map_lookup_elem(&go_http_in_flight, key);
	if (!entry) {
		entry = new_entry(key);
		if (!entry)
			return;
	} else if (entry->active) {
		if (entry->request == request && entry->response == response) {
			count(USPAN_COUNTER_REFIRED);
			return;
		}
		count(USPAN_COUNTER_LOST_NEVER_ENDED);
		entry->active = 0;
	}
	span = &entry->event.span;
	last_end_ns = span->head.ktime_ns;
	span->start_ktime_ns = bpf_ktime_get_ns();
	if (bpf_probe_read_user(entry->raw.bytes, config->request_bytes & (USPAN_RAW_BYTES - 1), (void *)request)) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		keep_or_delete(key);
		return;
	}
	if (raw_word(&entry->raw, config->request_proto_major) != 1) {
		count(USPAN_COUNTER_SKIPPED_HTTP2);
		keep_or_delete(key); /* each HTTP/2 request has a goroutine of its own */
		return;
	}
	entry->request = request;
	entry->response = response;
	entry->event.proto_major = 1;
	entry->event.proto_minor = raw_word(&entry->raw, config->request_proto_minor);
	span->span_flags = raw_word(&entry->raw, config->request_tls) ? USPAN_SPAN_TLS : 0;
	raw_text(entry, USPAN_HTTP_METHOD, config->request_method);
	raw_text(entry, USPAN_HTTP_TARGET, config->request_target);
	raw_text(entry, USPAN_HTTP_HOST, config->request_host);
	last_peer = entry->text[USPAN_HTTP_PEER].ptr;
	raw_text(entry, USPAN_HTTP_PEER, config->request_remote_addr);
	header_map = raw_word(&entry->raw, config->request_header);
	entry->request_ctx = raw_word(&entry->raw, config->request_ctx + 8); /* an interface: type, then data */
	register_connection(entry, key, config, last_peer, last_end_ns);
	/* From here on raw holds header groups. */
	if (header_map && !scan_headers(&scan, &config->map, &entry->raw, header_map))
		count(USPAN_COUNTER_HEADERS_NOT_SCANNED);
	slice_text(entry, USPAN_HTTP_USER_AGENT, scan.user_agent);
	entry->sampled = begin_trace(entry, &scan);
	entry->active = 1;
}

/*
 * The server cancels the connection's context when its background read finds the client gone. That read runs in a goroutine of its
 * own, so a request this short is over before it can tell, and is spared the two reads (80 ns each).
 */
#define ABORT_TOLD_AFTER_NS 100000

static __always_inline bool was_aborted(const struct uspan_http_in_flight *entry, const struct uspan_go_http_config *config)
{
	__u64 connection_ctx;

	if (entry->event.span.head.ktime_ns - entry->event.span.start_ktime_ns < ABORT_TOLD_AFTER_NS || !entry->request_ctx ||
	    config->cancel_ctx_parent == USPAN_FIELD_ABSENT || config->cancel_ctx_err == USPAN_FIELD_ABSENT)
		return false;
	connection_ctx = read_u64(entry->request_ctx + config->cancel_ctx_parent);
	return connection_ctx && read_u64(connection_ctx + config->cancel_ctx_err);
}

/* What only the end knows. */
static __always_inline void read_outcome(struct uspan_http_in_flight *entry, const struct uspan_go_http_config *config,
					 __u32 moment)
{
	struct uspan_http_server_event *event = &entry->event;
	struct uspan_text_ref pattern = {};
	__u64 connection, pat;
	__u8 hijacked = 0;

	event->status = (__u32)read_u64(entry->response + config->response_status);
	if (moment == USPAN_HTTP_SERVER_PANIC)
		event->span.span_flags |= USPAN_SPAN_PANIC;
	if (was_aborted(entry, config))
		event->span.span_flags |= USPAN_SPAN_ABORTED;
	/* A hijacked connection never has a status written through the response. */
	if (event->status == 0 && config->conn_hijacked != USPAN_FIELD_ABSENT) {
		connection = read_u64(entry->response + config->response_conn);
		bpf_probe_read_user(&hijacked, 1, (void *)(connection + config->conn_hijacked));
		if (hijacked & 1)
			event->span.span_flags |= USPAN_SPAN_HIJACKED;
	}
	if (config->request_pattern != USPAN_FIELD_ABSENT) {
		bpf_probe_read_user(&pattern, sizeof(pattern), (void *)(entry->request + config->request_pattern));
	} else if (config->request_pat != USPAN_FIELD_ABSENT && config->pattern_str != USPAN_FIELD_ABSENT) {
		pat = read_u64(entry->request + config->request_pat);
		if (pat)
			bpf_probe_read_user(&pattern, sizeof(pattern), (void *)(pat + config->pattern_str));
	}
	entry->text[USPAN_HTTP_PATTERN] = pattern;
}

/*
 * Copies the texts behind an event. Method and target lie side by side in the request line Go read, hence one read for both. `mask` and
 * `to` are copy_texts()'s.
 */
static __always_inline __u32 copy_request(struct uspan_http_in_flight *entry, struct uspan_http_server_event *event, __u8 *to,
					  __u32 mask)
{
	__u64 method = entry->text[USPAN_HTTP_METHOD].ptr, method_len = event->text_len[USPAN_HTTP_METHOD];
	__u32 line_len = method_len + 1 + event->text_len[USPAN_HTTP_TARGET], offset = 0, first = 0;

	event->unreadable_mask = 0;
	if (entry->text[USPAN_HTTP_TARGET].ptr == method + method_len + 1 &&
	    bpf_probe_read_user(to, line_len & mask, (void *)method) == 0) {
		event->span.span_flags |= USPAN_SPAN_REQUEST_LINE;
		offset = line_len;
		first = USPAN_HTTP_HOST;
	}
	offset = copy_texts(entry->text, first, USPAN_HTTP_TEXTS, event->text_len, &event->unreadable_mask, to, offset, mask);
	if (event->unreadable_mask)
		event->span.span_flags |= USPAN_SPAN_UNREADABLE;
	return offset > mask ? mask : offset;
}

static __always_inline void submit_small(struct uspan_http_in_flight *entry)
{
	__u32 bytes = copy_request(entry, &entry->event, entry->raw.bytes, USPAN_SMALL_TEXT_BYTES - 1);

	submit(&entry->event, sizeof(entry->event) + bytes);
}

static __always_inline void submit_large(struct uspan_http_in_flight *entry, struct uspan_large *buffer)
{
	struct uspan_http_server_event *event = (void *)buffer->bytes;
	__u32 bytes;

	*event = entry->event;
	bytes = copy_request(entry, event, buffer->bytes + sizeof(*event), USPAN_LARGE_BYTES - 1);
	submit(event, sizeof(*event) + bytes);
}

static __always_inline void end(const struct uspan_http_in_flight_key *key,
				const struct uspan_go_http_config *config, __u32 probe_id, __u32 moment)
{
	struct uspan_http_in_flight *entry = bpf_map_lookup_elem(&go_http_in_flight, key);
	struct uspan_large *buffer;
	__u32 text_bytes;

	if (!entry || !entry->active) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	entry->active = 0;
	if (!entry->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
	} else {
		finish_head(&entry->event.span, key->pid, USPAN_EVENT_HTTP_SERVER, probe_id);
		read_outcome(entry, config, moment);
		text_bytes = measure_texts(entry->text, USPAN_HTTP_TEXTS, max_text_bytes, entry->event.text_len, &entry->event.cut_mask);
		if (entry->event.cut_mask)
			entry->event.span.span_flags |= USPAN_SPAN_CUT;
		/* One more for the space of the request line. */
		if (text_bytes + 1 < USPAN_SMALL_TEXT_BYTES) {
			submit_small(entry);
		} else {
			buffer = take_large();
			if (buffer) {
				submit_large(entry, buffer);
				give_large(buffer);
			} else {
				count(USPAN_COUNTER_LOST_RING_FULL);
			}
		}
	}
	keep_or_delete(key);
}

SEC("uprobe")
int go_http_server(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_http_in_flight_key key = { .goroutine = GO_G(ctx), .pid = bpf_get_current_pid_tgid() >> 32 };
	const struct uspan_go_http_config *config = bpf_map_lookup_elem(&go_http_configs, &site.probe_id);

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(config->filter_by_process, key.pid)) {
		if (site.moment == USPAN_HTTP_SERVER_START)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	if (site.moment == USPAN_HTTP_SERVER_START)
		start(ctx, &key, config);
	else
		end(&key, config, site.probe_id, site.moment);
	return 0;
}
