// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Requests of Node's HTTP/1 clients: node:http, node:https and fetch. What they write is a request if it begins like one. It ends when its
 * response has been read. node_core.bpf.c passes all hits on.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "node/context.h"
#include "node/sniff.h"
#include "span/trace_text.h"

char LICENSE[] SEC("license") = "GPL";

OPEN_SPANS(node_http_client_in_flight);

#define EXCHANGES node_http_client_in_flight
#define EXCHANGE_SOURCE USPAN_EVENT_NODE_HTTP_CLIENT
#include "node/exchange.h"
#include "node/http_read.h"

NODE_PROGRAM(USPAN_NODE_ROLE_CLIENT, node_http_client);

#define BUSY (~0ull)
#define MAX_RESPONSES_READ 65536 /* far more than libuv's 64 KB hold */

static __always_inline void put_outcome(struct uspan_open_span *span, const struct uspan_node_exchange *connection, __u32 how)
{
	const struct uspan_node_response *response = &connection->response;

	if (response->status) {
		span_put_number(span, USPAN_NODE_CLIENT_STATUS, response->status);
		span_put_number(span, USPAN_NODE_CLIENT_PROTOCOL, response->proto_minor);
	}
	if (how & FINISH_ABORTED)
		span_put_number(span, USPAN_NODE_CLIENT_ERROR, connection->error);
}

struct pieces_behind {
	__u64 bufs;
	__u64 bytes;
};

static long add_piece(__u32 index, struct pieces_behind *pieces)
{
	struct uv_buf buf;

	if (bpf_probe_read_user(&buf, sizeof(buf), (void *)(pieces->bufs + (index + 1) * sizeof(buf)))) {
		pieces->bytes = BUSY;
		return 1;
	}
	pieces->bytes += buf.len;
	return 0;
}

/* Bytes of the pieces of a write behind the first one. BUSY if they cannot be read. */
static __always_inline __u64 bytes_behind(__u64 bufs, __u32 count)
{
	struct pieces_behind pieces = { .bufs = bufs };

	if (count > 1)
		bpf_loop(count - 1, add_piece, &pieces, 0);
	return pieces.bytes;
}

/* A request's head that is about to be written. */
struct request_head {
	struct uv_buf first;         /* the piece that it begins */
	struct uspan_node_head head;
	__u32 len;                   /* including its empty line; 0: it has none in this piece */
	__u32 reserved;
};

/* How much of the request's body will be written later. */
static __always_inline __u64 body_left(const struct request_head *request, const struct hit_scratch *scratch)
{
	__u64 behind;

	if (request->head.has_encoding || !request->len)
		return BUSY;
	if (!request->head.has_length)
		return 0;
	behind = bytes_behind(scratch->data, scratch->len);
	if (behind == BUSY)
		return BUSY;
	behind += request->first.len - request->len;
	return request->head.content_length > behind ? request->head.content_length - behind : 0;
}

/* The outgoing traceparent. Its sender knows the trace. */
static __always_inline bool written_trace(struct uspan_open_span *span, const struct hit_scratch *scratch)
{
	if (scratch->traceparents == 0)
		return false;
	if (scratch->traceparents == 1 &&
	    parse_trace(&span->head, (const struct trace_text *)scratch->traceparent, scratch->traceparent_len))
		return true;
	count(USPAN_COUNTER_BAD_TRACEPARENT);
	return false;
}

#define SHORT_HEAD_BYTES WINDOW_BYTES /* this much of it, with the peer before it, fits into an entry */

_Static_assert(PEER_FIELD_BYTES + FIELD_HEAD + SHORT_HEAD_BYTES + END_BYTES <= USPAN_FIELDS_BYTES, "an entry has room for a short head");

/* Puts a head that the window still has, or that is read once more. */
static __always_inline void put_short_head(struct uspan_open_span *span, struct hit_scratch *scratch, __u64 address, __u32 bytes)
{
	struct uspan_field_head head = { .field = USPAN_NODE_CLIENT_HEAD, .len = bytes };
	__u64 at = span->used;

	barrier_var(at);
	barrier_var(bytes);
	if (scratch->window_address != address || at > PEER_FIELD_BYTES || bytes > SHORT_HEAD_BYTES) {
		put_text(span, address, bytes, USPAN_NODE_CLIENT_HEAD);
		return;
	}
	bpf_probe_read_kernel(span->fields + at + FIELD_HEAD, bytes, scratch->window);
	*(struct uspan_field_head *)(span->fields + at) = head;
	span->used = at + FIELD_HEAD + ((head.len + 3) & ~3u);
}

#define MAX_HOST_LINE_BYTES 256

/* Puts the line of the Host header, with what may be behind it in the head, if the part of the head that is kept has not all of it. */
static __always_inline void put_far_host(struct uspan_open_span *span, struct hit_scratch *scratch, __u64 head, __u64 len)
{
	__u64 at = scratch->host_address - head, left = len - at;
	__u32 bytes = left < MAX_HOST_LINE_BYTES ? left : MAX_HOST_LINE_BYTES;

	if (!scratch->host_address || at >= len || at + MAX_HOST_LINE_BYTES <= USPAN_NODE_HEAD_BYTES)
		return;
	barrier_var(bytes);
	if (bytes <= MAX_HOST_LINE_BYTES && bpf_probe_read_user(scratch->text, bytes, (void *)scratch->host_address) == 0)
		put_scratch_text(span, scratch, 0, bytes, USPAN_NODE_CLIENT_HOST);
}

/* Puts the head as it is written. User space takes it apart. */
static __always_inline void put_head(struct uspan_open_span *span, struct hit_scratch *scratch, const struct uspan_open_span_key *key,
				     const struct request_head *request)
{
	__u64 len = request->len ? request->len : request->first.len;
	__u32 field = USPAN_NODE_CLIENT_HEAD, bytes = len;

	if (len <= SHORT_HEAD_BYTES) {
		put_short_head(span, scratch, request->first.base, bytes);
		return;
	}
	if (len > USPAN_NODE_HEAD_BYTES) {
		bytes = USPAN_NODE_HEAD_BYTES;
		field |= USPAN_FIELD_CUT << 8;
	}
	begin_texts(scratch);
	barrier_var(bytes);
	if (bytes > USPAN_NODE_HEAD_BYTES || bpf_probe_read_user(scratch->text, bytes, (void *)request->first.base)) {
		span_put_unreadable(span, USPAN_NODE_CLIENT_HEAD);
		return;
	}
	put_scratch_text(span, scratch, 0, bytes, field);
	if (len > USPAN_NODE_HEAD_BYTES)
		put_far_host(span, scratch, request->first.base, len);
	exchange_of(span)->has_long = keep_long(span, scratch, key, USPAN_NODE_CLIENT_HEAD);
}

/* The connection of a first request, which belongs to a client. */
static __noinline int meet_server(struct uspan_open_span *zero, const struct uspan_open_span_key *key)
{
	struct uspan_node_connection *connection = add_connection(key);

	if (!connection)
		return 0;
	set_role_of(connection, key, USPAN_NODE_ROLE_CLIENT);
	meet_connection(zero, connection, USPAN_NODE_CLIENT_SOCKET);
	return 0;
}

/* A write that begins with a request. */
static __noinline int begin_request(const struct hit *hit, const struct uspan_open_span_key *connection_key,
				    const struct request_head *request, __u32 probe_and_how)
{
	struct hit_scratch *scratch = hit->scratch;
	struct uspan_open_span_key key = *connection_key;
	struct uspan_open_span *zero = span_open(&node_http_client_in_flight, USPAN_EVENT_NODE_HTTP_CLIENT, &key), *span;
	struct uspan_node_exchange *connection;

	if (!zero)
		return 0;
	connection = exchange_of(zero);
	if (!connection->known)
		meet_server(zero, &key);
	connection->request_left = body_left(request, scratch);
	if (connection->queue.active == 0)
		connection->error = 0;
	span = push_request(zero, &key);
	if (!span)
		return 0;
	exchange_of(span)->bodiless = (__u32)request->head.line[0] == FOUR('H', 'E', 'A', 'D');
	exchange_of(span)->tunnel = (__u32)request->head.line[0] == FOUR('C', 'O', 'N', 'N');
	if (!key.slot)
		expect_response(&connection->response, exchange_of(span));
	begin_call(span, &hit->config->probe, key.owner, written_trace(span, scratch));
	if (!span->sampled)
		return 0;
	if (probe_and_how >> 16 & FINISH_TLS)
		span->head.span_flags |= USPAN_SPAN_TLS;
	span->used = connection->peer_bytes;
	put_head(span, scratch, &key, request);
	return 0;
}

static __noinline int on_write(const struct hit *hit, const struct uspan_open_span_key *key, __u32 probe_and_how)
{
	struct hit_scratch *scratch = hit->scratch;
	struct uspan_open_span *zero = span_find(&node_http_client_in_flight, key);
	struct uspan_node_exchange *connection;
	struct request_head request = {};

	if (scratch->len == 0 || bpf_probe_read_user(&request.first, sizeof(request.first), (void *)scratch->data) ||
	    request.first.len < 5)
		return 0;
	if (zero && exchange_of(zero)->queue.active && exchange_of(zero)->request_left) {
		connection = exchange_of(zero);
		if (connection->request_left != BUSY) {
			__u64 bytes = bytes_behind(scratch->data, scratch->len);

			connection->request_left = bytes == BUSY ? BUSY
						 : connection->request_left > bytes + request.first.len
							 ? connection->request_left - bytes - request.first.len
							 : 0;
		}
		return 0;
	}
	request.len = scan_head(&request.head, scratch, request.first.base,
				request.first.len > MAX_PIECE_BYTES ? MAX_PIECE_BYTES : request.first.len, 1);
	if (begins_http2(request.head.line[0]) || begins_http2_server(&request.first, request.head.line[0])) {
		count(USPAN_COUNTER_SKIPPED_HTTP2);
		set_role(key, USPAN_NODE_ROLE_OTHER);
	} else if (request.head.is_request == 1 && begins_request(request.head.line[0])) {
		begin_request(hit, key, &request, probe_and_how);
	}
	return 0;
}

/* Data for a client. */
struct responses_read {
	struct hit_scratch *scratch;
	const struct uspan_open_span_key *key;
	struct uspan_open_span *zero;
	__u64 address;
	__u32 len;
	__u32 probe_and_how;
};

static long read_response(__u32 index __attribute__((unused)), struct responses_read *read)
{
	struct uspan_node_exchange *connection = exchange_of(read->zero);
	struct uspan_node_response *response = &connection->response;
	__u32 taken;

	if (!read->len || !connection->queue.active)
		return 1;
	taken = follow_read(response, read->scratch, read->address, read->len);
	if (response->lost)
		return 1;
	if (response->ended) {
		if (takes_over(response, response->status))
			take_over(connection);
		finish_request(read->key, read->zero, read->probe_and_how);
		connection->request_left = 0;
	}
	if (taken > read->len || connection->taken_over)
		return 1;
	read->address += taken;
	read->len -= taken;
	return 0;
}

static long forget_request(__u32 index __attribute__((unused)), struct ending *ending)
{
	struct uspan_node_queue *queue = &exchange_of(ending->zero)->queue;
	struct uspan_open_span_key key = *ending->key;
	struct uspan_open_span *span;

	if (queue->active == 0)
		return 1;
	key.slot = queue->first;
	give_slot(queue);
	span = key.slot ? span_find(&node_http_client_in_flight, &key) : ending->zero;
	if (span)
		forget(span, &key, exchange_of(span)->has_long);
	if (key.slot)
		span_delete(&node_http_client_in_flight, USPAN_EVENT_NODE_HTTP_CLIENT, &key);
	return 0;
}

/* What was read is no response, so it is not known which request it answers. Node.js gives the connection up too. */
static __noinline int lose_track(const struct uspan_open_span_key *key, struct uspan_open_span *zero)
{
	struct ending ending = { .key = key, .zero = zero };

	bpf_loop(USPAN_NODE_MAX_WAITING, forget_request, &ending, 0);
	span_delete(&node_http_client_in_flight, USPAN_EVENT_NODE_HTTP_CLIENT, key);
	set_role(key, USPAN_NODE_ROLE_OTHER);
	return 0;
}

static __always_inline int read_responses(struct hit_scratch *scratch, const struct uspan_open_span_key *key, struct uspan_open_span *zero,
				     __u64 address, __u32 probe_and_how)
{
	struct responses_read read = {
		.scratch = scratch,
		.key = key,
		.zero = zero,
		.address = address,
		.len = scratch->len > MAX_PIECE_BYTES ? MAX_PIECE_BYTES : scratch->len,
		.probe_and_how = probe_and_how,
	};

	bpf_loop(MAX_RESPONSES_READ, read_response, &read, 0);
	if (exchange_of(zero)->response.lost)
		lose_track(key, zero);
	else
		settle(key, zero, probe_and_how);
	return 0;
}

static __always_inline int on_read(struct hit_scratch *scratch, const struct uspan_open_span_key *key, __u32 probe_and_how)
{
	struct uspan_open_span *zero = span_find(&node_http_client_in_flight, key);
	struct uspan_node_exchange *connection;
	__u64 base = 0;

	if (!zero)
		return 0;
	connection = exchange_of(zero);
	if (connection->queue.active == 0)
		return 0;
	if (scratch->len < 0) {
		connection->error = -scratch->len;
		if (connection->response.phase == USPAN_NODE_PHASE_CLOSE)
			finish_request(key, zero, probe_and_how);
		return 0;
	}
	bpf_probe_read_user(&base, sizeof(base), (void *)scratch->data);
	read_responses(scratch, key, zero, base, probe_and_how);
	return 0;
}

SEC("uprobe")
int node_http_client(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct uspan_open_span_key key;
	struct hit hit;
	__u32 probe_and_how;

	if (!take_hit(&hit, bpf_get_current_pid_tgid()))
		return 0;
	key = connection_key(hit.scratch->stream_base, hit.pid);
	probe_and_how = hit.probe_id | (hit.scratch->tls_wrap ? FINISH_TLS : 0) << 16;
	if (site.moment == USPAN_NODE_MOMENT_READ)
		on_read(hit.scratch, &key, hit.probe_id);
	else if (site.moment == USPAN_NODE_MOMENT_CLOSE)
		close_exchanges(&key, probe_and_how, true);
	else
		on_write(&hit, &key, probe_and_how);
	give_scratch(hit.scratch);
	return 0;
}
