// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Go net/http client: one span for each attempt on the wire, from two hits in net/http.(*Transport).roundTrip(t, req *Request).
 *
 *   start          its entry, arguments still in registers
 *   end            the branch on the error of (*persistConn).roundTrip, where HTTP/2's first request on a connection comes by too
 *   alternate      the branch on the error of another transport: HTTP/2 on a connection that is open, or net/http.ErrSkipAltProtocol
 *   no_connection  the way taken when (*Transport).getConn gave an error
 *   cancelled      the way taken when the context was done before the attempt
 *   retry          the call of rewindBody on the way to another attempt
 *
 * At the branches the results are in registers still: AX *Response, BX and CX error. The body is read later; its time is the caller's.
 * What net/http refuses before it looks for a connection (no host, a bad method) is no attempt, and no span.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "go/errors.h"
#include "go/headers.h"
#include "go/link.h"
#include "common/regs.h"
#include "span/spans.h"
#include "span/texts.h"

char LICENSE[] SEC("license") = "GPL";

/* Twice the requests in flight: see keep_or_delete(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * 16384);
	__type(key, struct uspan_open_span_key);
	__type(value, struct uspan_http_client_in_flight);
} go_http_client_in_flight SEC(".maps");

/* All zero: what a new entry starts from. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct uspan_http_client_in_flight);
} go_http_client_blank SEC(".maps");

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_go_http_client_config);
} go_http_client_configs SEC(".maps");

/* Entries in go_http_client_in_flight, with those the agent has swept; touched only when one comes or goes. */
static __u64 in_flight_entries;
/* Entries the agent has removed, written by it alone. */
volatile __u64 in_flight_swept SEC(".data.client_swept");

#define MAX_METHOD_BYTES 64
#define MAX_SCHEME_BYTES 16
#define MAX_HOST_BYTES 256
#define MAX_ERROR_BYTES 96

static __always_inline __u32 max_text_bytes(__u32 text)
{
	switch (text) {
	case USPAN_HTTP_CLIENT_METHOD:
		return MAX_METHOD_BYTES;
	case USPAN_HTTP_CLIENT_SCHEME:
		return MAX_SCHEME_BYTES;
	case USPAN_HTTP_CLIENT_HOST:
		return MAX_HOST_BYTES;
	case USPAN_HTTP_CLIENT_ERROR:
		return MAX_ERROR_BYTES;
	default:
		return uspan_config.max_target_bytes;
	}
}

static __always_inline void raw_text(struct uspan_http_client_in_flight *entry, __u32 text, __u32 offset)
{
	entry->text[text].ptr = raw_word((struct uspan_scratch *)&entry->raw, offset);
	entry->text[text].len = raw_word((struct uspan_scratch *)&entry->raw, offset + 8);
}

static __always_inline struct uspan_http_client_in_flight *new_entry(const struct uspan_open_span_key *key)
{
	struct uspan_http_client_in_flight *zero;
	__u32 first = 0;

	zero = bpf_map_lookup_elem(&go_http_client_blank, &first);
	if (!zero || bpf_map_update_elem(&go_http_client_in_flight, key, zero, BPF_ANY)) {
		count(USPAN_COUNTER_LOST_IN_FLIGHT_FULL);
		return 0;
	}
	__sync_fetch_and_add(&in_flight_entries, 1);
	return bpf_map_lookup_elem(&go_http_client_in_flight, key);
}

/* As in go_http.bpf.c: a finished entry stays for its goroutine's next call while there is room. */
static __always_inline void keep_or_delete(const struct uspan_open_span_key *key)
{
	__s64 entries = in_flight_entries - in_flight_swept;

	if (entries > (__s64)uspan_config.in_flight_keep && bpf_map_delete_elem(&go_http_client_in_flight, key) == 0)
		__sync_fetch_and_add(&in_flight_entries, -1);
}

/* The request it is made for, else the trace that the program itself puts into its headers, else a trace of its own. */
static __always_inline bool begin_trace(__u64 base, const struct uspan_open_span_key *key,
					struct uspan_http_client_in_flight *entry,
					const struct uspan_go_http_client_config *config)
{
	struct go_interface context = { .type = raw_word((struct uspan_scratch *)&entry->raw, config->request_ctx),
					.data = raw_word((struct uspan_scratch *)&entry->raw, config->request_ctx + 8) };
	struct go_parent parent = find_parent(base, key, context, &config->link);
	__u64 header_map = raw_word((struct uspan_scratch *)&entry->raw, config->request_header);
	struct uspan_span_head *span = &entry->event.span;
	struct header_scan scan = {};
	bool sampled = false, parented;

	new_span_id(span);
	if (adopt(&parent, span, &sampled))
		return sampled;
	if (header_map && !scan_headers(&scan, &config->map, (struct uspan_scratch *)&entry->raw, header_map))
		count(USPAN_COUNTER_HEADERS_NOT_SCANNED);
	parented = take_traceparent(&scan, span);
	if (!parented)
		new_trace(span);
	return sample(&uspan_config, span, parented);
}

/*
 * Where the URL's parts are. url.Parse() takes them from the text it was given, so they often lie there side by side: then that
 * text is read, in one piece. It has no credentials if the host follows the scheme. False when there is no host.
 */
static __always_inline bool find_url(struct uspan_http_client_in_flight *entry, const struct uspan_go_http_client_config *config,
				     __u64 address)
{
	struct uspan_text_ref *url = &entry->text[USPAN_HTTP_CLIENT_URL], *scheme = &entry->text[USPAN_HTTP_CLIENT_SCHEME];
	struct uspan_text_ref *host = &entry->text[USPAN_HTTP_CLIENT_HOST], *path = &entry->text[USPAN_HTTP_CLIENT_PATH];
	struct uspan_text_ref *raw_path = &entry->text[USPAN_HTTP_CLIENT_RAW_PATH], *query = &entry->text[USPAN_HTTP_CLIENT_QUERY];
	__u64 end;

	if (bpf_probe_read_user(entry->raw.bytes, config->url_bytes & (USPAN_RAW_BYTES - 1), (void *)address))
		return false;
	raw_text(entry, USPAN_HTTP_CLIENT_SCHEME, config->url_scheme);
	raw_text(entry, USPAN_HTTP_CLIENT_HOST, config->url_host);
	raw_text(entry, USPAN_HTTP_CLIENT_PATH, config->url_path);
	raw_text(entry, USPAN_HTTP_CLIENT_RAW_PATH, config->url_raw_path);
	raw_text(entry, USPAN_HTTP_CLIENT_QUERY, config->url_raw_query);
	url->len = 0;
	if (host->len == 0)
		return false;
	end = host->ptr + host->len;
	if (host->ptr != scheme->ptr + scheme->len + 3 || raw_path->len || (path->len && path->ptr != end))
		return true;
	end += path->len;
	if (query->len && query->ptr != end + 1)
		return true;
	if (query->len)
		end += 1 + query->len;
	url->ptr = scheme->ptr;
	url->len = end - url->ptr;
	scheme->len = host->len = path->len = query->len = 0;
	return true;
}

static __always_inline void begin(__u64 base, const struct uspan_open_span_key *key,
				  const struct uspan_go_http_client_config *config, struct uspan_http_client_in_flight *entry)
{
	__u64 url;

	entry->event.span.start_ktime_ns = bpf_ktime_get_ns();
	if (bpf_probe_read_user(entry->raw.bytes, config->request_bytes & (USPAN_RAW_BYTES - 1), (void *)entry->request)) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		keep_or_delete(key);
		return;
	}
	raw_text(entry, USPAN_HTTP_CLIENT_METHOD, config->request_method);
	url = raw_word((struct uspan_scratch *)&entry->raw, config->request_url);
	entry->sampled = begin_trace(base, key, entry, config);
	/* net/http refuses a URL without a host: there will be no attempt. */
	if (entry->sampled && !find_url(entry, config, url)) {
		count(USPAN_COUNTER_NOT_SENT);
		keep_or_delete(key);
		return;
	}
	entry->active = 1;
}

/* The entry of a call that comes. */
static __always_inline struct uspan_http_client_in_flight *start(struct pt_regs *ctx, const struct uspan_open_span_key *key)
{
	struct uspan_http_client_in_flight *entry = bpf_map_lookup_elem(&go_http_client_in_flight, key);

	if (!entry) {
		entry = new_entry(key);
		if (!entry)
			return 0;
	} else if (entry->active) {
		count(entry->request == GO_ARG1(ctx) ? USPAN_COUNTER_REFIRED : USPAN_COUNTER_NOT_SENT);
		entry->active = 0;
	}
	entry->request = GO_ARG1(ctx);
	entry->event.resends = 0;
	return entry;
}

/* The entry of a call whose last attempt is over, for another. That may have been no attempt at all, and still be open: none then. */
static __always_inline struct uspan_http_client_in_flight *retry(const struct uspan_open_span_key *key)
{
	struct uspan_http_client_in_flight *entry = bpf_map_lookup_elem(&go_http_client_in_flight, key);

	if (!entry || entry->active)
		return 0;
	entry->event.resends++;
	return entry;
}

/* The error a context is done with: that of the nearest context that can be. */
static __always_inline void context_error(struct uspan_http_client_in_flight *entry, const struct uspan_go_http_client_config *config,
					  struct go_interface *error)
{
	struct go_interface context = {};

	if (bpf_probe_read_user(&context, sizeof(context), (void *)(entry->request + config->request_ctx)))
		return;
	for (__u32 i = 0; i < 8; i++) {
		__u32 hash = go_type_hash(context.type);

		if (!hash)
			return;
		if (hash == config->cancel_ctx_hash || hash == config->timer_ctx_hash) {
			bpf_probe_read_user(error, sizeof(*error), (void *)(context.data + config->link.cancel_ctx_err));
			return;
		}
		if (bpf_probe_read_user(&context, sizeof(context), (void *)context.data))
			return;
	}
}

/* Whether an error says what net/http.ErrSkipAltProtocol does: that another transport would not take the request. */
static __always_inline bool is_skipped(const struct uspan_text_ref *text)
{
	static const char skipped[] = "net/http: skip alternate protocol";
	char start[16];

	return text->len == sizeof(skipped) - 1 && bpf_probe_read_user(start, sizeof(start), (void *)text->ptr) == 0 &&
	       __builtin_memcmp(start, skipped, sizeof(start)) == 0;
}

/* Reads how the attempt ended; false when it did not. */
static __always_inline bool read_outcome(struct pt_regs *ctx, const struct uspan_go_http_client_config *config,
					 struct uspan_http_client_in_flight *entry, struct site site)
{
	struct uspan_http_client_event *event = &entry->event;
	struct go_error_walk walk = { .at = { .type = GO_ARG1(ctx), .data = GO_ARG2(ctx) } };

	event->status = 0;
	event->errno_number = 0;
	event->error = 0;
	event->proto_major = 0;
	event->proto_minor = 0;
	if (site.moment == USPAN_HTTP_CLIENT_CANCELLED) {
		walk.at.type = walk.at.data = 0;
		context_error(entry, config, &walk.at);
	} else if (site.spec) {
		/* Both words were saved on the stack on the way here. */
		walk.at.type = go_word(GO_SP(ctx) + (site.spec >> 16));
		walk.at.data = go_word(GO_SP(ctx) + (site.spec & 0xffff));
	}
	if (walk.at.type || site.moment == USPAN_HTTP_CLIENT_CANCELLED) {
		find_error(&walk, config);
		if (walk.reads == USPAN_GO_ERROR_READS_SKIP || (site.moment == USPAN_HTTP_CLIENT_ALTERNATE && is_skipped(&walk.text)))
			return false;
		event->error = walk.error;
		event->errno_number = walk.errno_number;
		entry->text[USPAN_HTTP_CLIENT_ERROR] = walk.text;
		return true;
	}
	entry->text[USPAN_HTTP_CLIENT_ERROR].len = 0;
	if (bpf_probe_read_user(entry->raw.bytes, config->response_bytes & (USPAN_RAW_BYTES - 1), (void *)GO_ARG0(ctx)))
		return true;
	event->status = raw_word((struct uspan_scratch *)&entry->raw, config->response_status);
	event->proto_major = raw_word((struct uspan_scratch *)&entry->raw, config->response_proto_major);
	event->proto_minor = raw_word((struct uspan_scratch *)&entry->raw, config->response_proto_major + 8);
	return true;
}

static __always_inline void send(struct uspan_http_client_in_flight *entry)
{
	struct uspan_http_client_event *event = &entry->event;
	struct uspan_large *buffer;
	__u32 bytes;

	event->unreadable_mask = 0;
	bytes = measure_texts(entry->text, USPAN_HTTP_CLIENT_TEXTS, max_text_bytes, event->text_len, &event->cut_mask);
	event->span.span_flags = event->cut_mask ? USPAN_SPAN_CUT : 0;
	if (bytes < USPAN_SMALL_TEXT_BYTES) {
		bytes = copy_texts(entry->text, 0, USPAN_HTTP_CLIENT_TEXTS, event->text_len, &event->unreadable_mask, entry->raw.bytes, 0,
				   USPAN_SMALL_TEXT_BYTES - 1);
		submit(event, sizeof(*event) + (bytes > USPAN_SMALL_TEXT_BYTES ? USPAN_SMALL_TEXT_BYTES : bytes));
		return;
	}
	buffer = take_large();
	if (!buffer) {
		count(USPAN_COUNTER_LOST_RING_FULL);
		return;
	}
	bytes = copy_texts(entry->text, 0, USPAN_HTTP_CLIENT_TEXTS, event->text_len, &event->unreadable_mask, buffer->bytes + sizeof(*event),
			   0, USPAN_LARGE_BYTES - 1);
	__builtin_memcpy(buffer->bytes, event, sizeof(*event));
	submit(buffer->bytes, sizeof(*event) + (bytes > USPAN_LARGE_BYTES ? USPAN_LARGE_BYTES : bytes));
	give_large(buffer);
}

static __always_inline void end(struct pt_regs *ctx, const struct uspan_open_span_key *key,
				const struct uspan_go_http_client_config *config, struct site site)
{
	struct uspan_http_client_in_flight *entry = bpf_map_lookup_elem(&go_http_client_in_flight, key);

	if (!entry || !entry->active) {
		count(USPAN_COUNTER_END_WITHOUT_START);
		return;
	}
	if (!read_outcome(ctx, config, entry, site))
		return;
	entry->active = 0;
	if (!entry->sampled) {
		count(USPAN_COUNTER_SAMPLED_OUT);
	} else {
		finish_head(&entry->event.span, key->pid, USPAN_EVENT_HTTP_CLIENT, site.probe_id);
		send(entry);
	}
	keep_or_delete(key);
}

SEC("uprobe")
int go_http_client(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_open_span_key key = { .owner = GO_G(ctx), .pid = bpf_get_current_pid_tgid() >> 32 };
	const struct uspan_go_http_client_config *config = bpf_map_lookup_elem(&go_http_client_configs, &site.probe_id);
	struct uspan_http_client_in_flight *entry;

	if (!config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(config->probe.filter_by_process, key.pid)) {
		if (site.moment == USPAN_HTTP_CLIENT_START)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	switch (site.moment) {
	case USPAN_HTTP_CLIENT_START:
		entry = start(ctx, &key);
		break;
	case USPAN_HTTP_CLIENT_RETRY:
		entry = retry(&key);
		break;
	default:
		end(ctx, &key, config, site);
		return 0;
	}
	/* In one place, so that the verifier looks at it once. */
	if (entry)
		begin(GO_IP(ctx) - site.spec, &key, config, entry);
	return 0;
}
