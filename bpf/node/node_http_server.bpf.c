// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Requests of Node's HTTP/1 server, with two hits each. One comes here directly, when the parser has read a head. node_core.bpf.c passes
 * the other on, when the response is written.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "node/methods.h"
#include "node/parser.h"
#include "node/peer.h"
#include "node/sniff.h"
#include "span/trace_text.h"

char LICENSE[] SEC("license") = "GPL";

OPEN_SPANS(node_http_server_in_flight);

#define EXCHANGES node_http_server_in_flight
#define EXCHANGE_SOURCE USPAN_EVENT_NODE_HTTP_SERVER
#include "node/exchange.h"

NODE_PROGRAM(USPAN_NODE_ROLE_SERVER, node_http_server);

#define MAX_HOST_BYTES 256
#define MAX_USER_AGENT_BYTES 256
#define MAX_TRACESTATE_BYTES 512

static __always_inline void put_outcome(struct uspan_open_span *span, const struct uspan_node_exchange *connection,
					__u32 how __attribute__((unused)))
{
	span_put_number(span, USPAN_HTTP_SERVER_STATUS, connection->response.status);
}

/* Puts a text of a request's head. */
__noinline int put_head_text(struct uspan_open_span *span, struct hit_scratch *scratch, __u64 text, __u32 len, __u32 field_and_marks)
{
	__u64 at;
	__u32 bytes = len;

	if (!span || !scratch)
		return 0;
	at = place_in_window(scratch, text, len);
	barrier_var(bytes);
	/* Behind the window there is room for a text that is not in it. */
	if (at >= HEAD_WINDOW &&
	    (bytes > TEXT_BYTES - HEAD_WINDOW || bpf_probe_read_user(scratch->text + HEAD_WINDOW, bytes, (void *)text))) {
		span_put_unreadable(span, field_and_marks);
		return 0;
	}
	return put_scratch_text(span, scratch, at, len, field_and_marks);
}

static __always_inline void put(struct uspan_open_span *span, struct hit_scratch *scratch, __u32 field, struct uspan_text_ref text,
				__u32 max_bytes)
{
	if (text.len > max_bytes)
		put_head_text(span, scratch, text.ptr, max_bytes, field | USPAN_FIELD_CUT << 8);
	else if (text.len)
		put_head_text(span, scratch, text.ptr, text.len, field);
}

static __always_inline void put_method(struct uspan_open_span *span, __u32 number)
{
	const struct method *method = &methods[number < METHODS ? number : METHODS - 1];
	struct uspan_field_head head = { .field = USPAN_HTTP_SERVER_METHOD, .len = method->len };
	__u64 at = span->used;

	barrier_var(at);
	if (at > USPAN_FIELDS_BYTES - FIELD_HEAD - sizeof(method->text))
		return;
	*(struct uspan_field_head *)(span->fields + at) = head;
	__builtin_memcpy(span->fields + at + FIELD_HEAD, method->text, sizeof(method->text));
	span->used = at + FIELD_HEAD + ((method->len + 3) & ~3u);
}

/* Takes over the caller's trace. */
static __always_inline bool take_trace(struct uspan_open_span *span, struct hit_scratch *scratch, const struct wanted_headers *headers)
{
	struct uspan_text_ref value;
	__u64 at;

	if (!headers->traceparent)
		return false;
	value = header_value(scratch, headers->traceparent);
	if (headers->traceparents == 1 && value.len >= TRACEPARENT_BYTES) {
		at = place_in_window(scratch, value.ptr, value.len);
		barrier_var(at);
		if (at >= HEAD_WINDOW) {
			at = HEAD_WINDOW;
			bpf_probe_read_user(scratch->text + HEAD_WINDOW, value.len > TRACEPARENT_BYTES ? TRACEPARENT_BYTES + 1 : TRACEPARENT_BYTES,
					    (void *)value.ptr);
		}
		if (parse_trace(&span->head, (const struct trace_text *)(scratch->text + at), value.len > 64 ? 64 : value.len))
			return true;
	}
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

/* Texts of a request, on their way from the parser to the record. */
struct request_texts {
	struct uspan_text_ref target;
	struct uspan_text_ref host;
	struct uspan_text_ref user_agent;
	struct uspan_text_ref tracestate;
};

/* Gives a request its ids, and its texts if it is sampled. `whole`: the parser's strings could be read. */
static __noinline int describe_request(const struct hit *hit, struct uspan_open_span *span, const struct uspan_open_span_key *key,
				       __u32 kept_bytes, bool whole)
{
	struct hit_scratch *scratch = hit->scratch;
	const struct uspan_probe_head *probe = &hit->config->probe;
	const __u8 *llhttp = parser_in(scratch)->llhttp;
	struct wanted_headers headers = {};
	struct request_texts texts = {};
	__u32 max_target = probe->max_target_bytes;
	bool parented = false;

	if (whole) {
		read_window(scratch);
		find_headers(&headers, scratch);
		parented = take_trace(span, scratch, &headers);
	}
	span_begin(span, probe, key->owner, parented ? SPAN_REMOTE : SPAN_ROOT);
	if (!span->sampled)
		return 0;
	span->used = kept_bytes;
	span_put_number(span, USPAN_HTTP_SERVER_PROTOCOL, llhttp[LLHTTP_HTTP_MAJOR] << 8 | llhttp[LLHTTP_HTTP_MINOR]);
	put_method(span, llhttp[LLHTTP_METHOD]);
	if (whole) {
		texts.target.ptr = parser_in(scratch)->strings.url.text;
		texts.target.len = parser_in(scratch)->strings.url.len;
		texts.host = header_value(scratch, headers.host);
		texts.user_agent = header_value(scratch, headers.user_agent);
		if (parented)
			texts.tracestate = header_value(scratch, headers.tracestate);
	}
	/* From here on, long fields are where the parser was. */
	begin_texts(scratch);
	if (max_target > USPAN_NODE_TARGET_BYTES)
		max_target = USPAN_NODE_TARGET_BYTES;
	/* With too many headers for the parser's own table, it has already given the target to JavaScript. */
	if (texts.target.len)
		put(span, scratch, USPAN_HTTP_SERVER_TARGET, texts.target, max_target);
	else
		span_put_unreadable(span, USPAN_HTTP_SERVER_TARGET);
	put(span, scratch, USPAN_HTTP_SERVER_HOST, texts.host, MAX_HOST_BYTES);
	put(span, scratch, USPAN_HTTP_SERVER_USER_AGENT, texts.user_agent, MAX_USER_AGENT_BYTES);
	put(span, scratch, USPAN_HTTP_SERVER_TRACESTATE, texts.tracestate, MAX_TRACESTATE_BYTES);
	exchange_of(span)->has_long = keep_long(span, scratch, key, USPAN_HTTP_SERVER_TARGET);
	return 0;
}

/* The connection of a parser that has just read a head, which belongs to a server. */
static __noinline int meet_client(const struct hit *hit, struct uspan_open_span *zero, const struct uspan_open_span_key *key)
{
	struct uspan_node_connection *connection = add_connection(key);

	if (!connection)
		return 0;
	if (connection->role != USPAN_NODE_ROLE_SERVER && !connection->peer.family)
		find_server_peer(hit->config, &connection->peer, key->owner);
	set_role_of(connection, key, USPAN_NODE_ROLE_SERVER);
	meet_connection(zero, connection, USPAN_HTTP_SERVER_SOCKET);
	return 0;
}

/* llhttp__on_headers_complete(llhttp_t *state, const char *p, const char *endp) */
static __always_inline void on_request_head(const struct hit *hit, __u64 state)
{
	struct hit_scratch *scratch = hit->scratch;
	__u32 parser_url = hit->config->parser_url;
	struct uspan_open_span_key key = { .pid = hit->pid };
	struct uspan_open_span *zero, *span;
	struct uspan_node_exchange *connection, *request;

	if (!read_parser(scratch, state, parser_url)) {
		count(USPAN_COUNTER_LOST_UNREADABLE);
		return;
	}
	if (parser_in(scratch)->llhttp[LLHTTP_TYPE] != LLHTTP_TYPE_REQUEST) {
		remember_role(state, hit->pid, USPAN_NODE_ROLE_CLIENT);
		return;
	}
	key.owner = parser_in(scratch)->stream;
	if (!key.owner) {
		count(USPAN_COUNTER_SKIPPED_NODE_STREAM);
		return;
	}
	zero = span_open(&node_http_server_in_flight, USPAN_EVENT_NODE_HTTP_SERVER, &key);
	if (!zero)
		return;
	connection = exchange_of(zero);
	if (!connection->known)
		meet_client(hit, zero, &key);
	span = push_request(zero, &key);
	if (!span)
		return;
	request = exchange_of(span);
	request->bodiless = parser_in(scratch)->llhttp[LLHTTP_METHOD] == METHOD_HEAD;
	request->tunnel = parser_in(scratch)->llhttp[LLHTTP_METHOD] == METHOD_CONNECT;
	if (!key.slot)
		expect_response(&connection->response, request);
	describe_request(hit, span, &key, connection->peer_bytes, read_strings(scratch, state, parser_url));
}

/* A write, and the position in its pieces. */
struct write {
	struct uspan_open_span *zero;
	struct hit_scratch *scratch;
	const struct uspan_open_span_key *key;
	__u64 bufs;
	__u32 probe_and_how;
	__u32 reserved;
};

static long follow_piece(__u32 index, struct write *write)
{
	struct uspan_node_exchange *connection = exchange_of(write->zero);
	struct uspan_node_response *response = &connection->response;
	struct uv_buf buf;

	if (bpf_probe_read_user(&buf, sizeof(buf), (void *)(write->bufs + index * sizeof(buf))))
		return 1;
	if (response->ending) {
		__u64 word = 0;

		bpf_probe_read_user(&word, sizeof(word), (void *)buf.base);
		/* It was the last chunk if another response begins. Otherwise it was data that looked like one. */
		if ((word & SEVEN_BYTES) == HTTP_1_DOT)
			finish_request(write->key, write->zero, write->probe_and_how);
		response->ending = 0;
	}
	if (connection->queue.active == 0)
		return 1;
	follow_response(response, write->scratch, buf.base, buf.len > MAX_PIECE_BYTES ? MAX_PIECE_BYTES : buf.len);
	if (response->ended) {
		if (takes_over(response, response->status))
			take_over(connection);
		finish_request(write->key, write->zero, write->probe_and_how);
	}
	return 0;
}

/* Nothing is in flight, so what is written may be the server's own reply to a request that its parser has refused. */
static __always_inline void count_own_reply(const struct hit_scratch *scratch)
{
	struct uv_buf first;
	__u64 word = 0;

	if (scratch->len && bpf_probe_read_user(&first, sizeof(first), (void *)scratch->data) == 0 && first.len >= sizeof(word) &&
	    bpf_probe_read_user(&word, sizeof(word), (void *)first.base) == 0 && is_own_reply(&first, word))
		count(USPAN_COUNTER_SERVER_REPLIED);
}

static __always_inline void on_write(const struct hit *hit, const struct uspan_open_span_key *key, __u32 probe_and_how)
{
	struct uspan_open_span *zero = span_find(&node_http_server_in_flight, key);
	struct write write = {
		.zero = zero,
		.scratch = hit->scratch,
		.key = key,
		.bufs = hit->scratch->data,
		.probe_and_how = probe_and_how,
	};

	if (!zero || exchange_of(zero)->queue.active == 0) {
		count_own_reply(hit->scratch);
		return;
	}
	bpf_loop(hit->scratch->len, follow_piece, &write, 0);
	if (exchange_of(zero)->response.ending) {
		exchange_of(zero)->response.ending = 0;
		finish_request(key, zero, probe_and_how);
	}
	settle(key, zero, probe_and_how);
}

static __noinline int on_connection(const struct hit *hit, __u32 moment)
{
	struct uspan_open_span_key key = connection_key(hit->scratch->stream_base, hit->pid);
	__u32 probe_and_how = hit->probe_id | (hit->scratch->tls_wrap ? FINISH_TLS : 0) << 16;

	if (moment == USPAN_NODE_MOMENT_CLOSE)
		close_exchanges(&key, probe_and_how, false);
	else if (moment != USPAN_NODE_MOMENT_READ)
		on_write(hit, &key, probe_and_how);
	return 0;
}

/*
 * Whether a parser is a client's, whose last head was a response's. A parser is much to read for nothing, so then its type is read first.
 * It may be a server's now, because Node.js uses parsers again.
 */
static __always_inline bool is_of_client(__u64 state, __u32 pid)
{
	__u8 type = 0;

	if (remembered_role(state, pid) != USPAN_NODE_ROLE_CLIENT)
		return false;
	bpf_probe_read_user(&type, sizeof(type), (void *)(state + LLHTTP_TYPE));
	if (type != LLHTTP_TYPE_REQUEST)
		return true;
	forget_role(state, pid);
	return false;
}

/* A hit that did not come through the core, which has counted the others and checked that the process is a target. False: it is none. */
static __always_inline bool take_head(struct hit *hit, const struct site *site, __u64 thread, __u64 state)
{
	const struct uspan_node_config *config = bpf_map_lookup_elem(&node_configs, &site->probe_id);

	if (!config)
		return false;
	count_hit(site->probe_id, site->moment);
	hit->pid = thread >> 32;
	if (!wanted(config->probe.filter_by_process, hit->pid)) {
		count(USPAN_COUNTER_OTHER_PROCESS);
		return false;
	}
	if (is_of_client(state, hit->pid))
		return false;
	hit->probe_id = config->probes[USPAN_NODE_ROLE_SERVER];
	hit->config = bpf_map_lookup_elem(&node_configs, &hit->probe_id);
	if (!hit->config)
		return false;
	hit->scratch = take_scratch(thread);
	return hit->scratch;
}

SEC("uprobe")
int node_http_server(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	__u64 thread = bpf_get_current_pid_tgid();
	bool is_head = site.moment == USPAN_NODE_MOMENT_REQUEST;
	struct hit hit;

	if (is_head ? !take_head(&hit, &site, thread, ARG0(ctx)) : !take_hit(&hit, thread))
		return 0;
	if (is_head)
		on_request_head(&hit, ARG0(ctx));
	else
		on_connection(&hit, site.moment);
	give_scratch(hit.scratch);
	return 0;
}
