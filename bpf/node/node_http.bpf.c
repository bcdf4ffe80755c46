// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What Node.js programs do on their sockets, from six functions of the node binary. Entries only: a return probe on a function that
 * V8 calls aborts the process when JavaScript throws. Every connection is known by its StreamBase, a C++ object that lives as long as
 * the connection: the HTTP parser and the listener that hands data to JavaScript point to it, and it is part of the wrap object that a
 * libuv stream points to, so that no thread state is needed.
 *
 * A request of a server takes two hits: one when the parser has its head, one when the response is written.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/spans.h"
#include "node/server.h"
#include "node/postgres_read.h"
#include "node/postgres_write.h"

char LICENSE[] SEC("license") = "GPL";

#if defined(__TARGET_ARCH_x86)
#define ARG0(ctx) ((ctx)->di)
#define ARG1(ctx) ((ctx)->si)
#define ARG2(ctx) ((ctx)->dx)
#define ARG3(ctx) ((ctx)->cx)
#else
#define ARG0(ctx) ((ctx)->regs[0])
#define ARG1(ctx) ((ctx)->regs[1])
#define ARG2(ctx) ((ctx)->regs[2])
#define ARG3(ctx) ((ctx)->regs[3])
#endif

/* Index: probe id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_node_config);
} node_configs SEC(".maps");

/* uv.h: the same since libuv 1.0. */
#define UV_HANDLE_DATA 0
#define UV_HANDLE_TYPE 16
#define UV_NAMED_PIPE 7
#define UV_TCP 12

/* A hit, for what it calls. */
struct hit {
	const struct uspan_node_config *config;
	__u32 probe_id;
	__u32 pid;
};

/* A write on its way through its pieces. */
struct write {
	struct uspan_node_connection *c;
	const struct uspan_node_key *key;
	__u64 bufs;
	__u32 probe_and_how;
	__u32 reserved;
};

/* One piece of a server's write. */
static long follow_piece(__u32 index, struct write *write)
{
	struct uspan_node_connection *c = write->c;
	struct uv_buf buf;

	if (bpf_probe_read_user(&buf, sizeof(buf), (void *)(write->bufs + index * sizeof(buf))))
		return 1;
	if (c->ending) {
		__u64 word = 0;

		bpf_probe_read_user(&word, sizeof(word), (void *)buf.base);
		/* The last chunk it was: another response begins. Else what looked like it was data. */
		if ((word & SEVEN_BYTES) == HTTP_1_DOT)
			finish_request(write->key, c, write->probe_and_how);
		c->ending = 0;
	}
	if (c->active == 0)
		return 1;
	follow_response(c, buf.base, buf.len > 0x7fffffff ? 0x7fffffff : buf.len, 1);
	if (c->ended)
		finish_request(write->key, c, write->probe_and_how);
	return 0;
}

/* A TLS connection is on top of another, which knows its peer. */
static __always_inline void find_peer(const struct hit *hit, struct uspan_node_connection *c, __u64 tls_wrap)
{
	struct uspan_node_key key = { .pid = hit->pid };
	struct uspan_node_connection *below;

	if (c->peer.family ||
	    bpf_probe_read_user(&key.stream_base, sizeof(key.stream_base), (void *)(tls_wrap + hit->config->tls_listener + 8)))
		return;
	below = find_connection(&key);
	if (below)
		c->peer = below->peer;
}

/* A write on a connection that is no server's: perhaps the first of a client. */
static __always_inline void on_client_write(const struct hit *hit, struct uspan_node_key *key, struct uspan_node_connection *c,
					    __u64 bufs, __u32 pieces, __u64 tls_wrap)
{
	__u32 probe_and_how = hit->probe_id | (tls_wrap ? FINISH_TLS : 0) << 16;
	struct uv_buf first;
	__u64 word = 0;

	if (pieces == 0 || bpf_probe_read_user(&first, sizeof(first), (void *)bufs) || first.len < 5)
		return;
	if (c && c->role == USPAN_NODE_ROLE_CLIENT && c->active && c->request_left) {
		if (c->request_left != BUSY) {
			__u64 bytes = bytes_behind(bufs, pieces);

			c->request_left = bytes == BUSY ? BUSY
					: c->request_left > bytes + first.len ? c->request_left - bytes - first.len : 0;
		}
		return;
	}
	bpf_probe_read_user(&word, first.len < 8 ? 5 : 8, (void *)first.base);
	if (begins_http2(word)) {
		count(USPAN_COUNTER_SKIPPED_HTTP2);
		if (c)
			c->role = USPAN_NODE_ROLE_OTHER;
	} else if (begins_request(word)) {
		c = add_connection(key);
		if (!c)
			return;
		if (tls_wrap)
			find_peer(hit, c, tls_wrap);
		begin_client_request(key, c, &first, bufs, pieces, probe_and_how);
	} else if (begins_postgres(&first, word)) {
		c = add_connection(key);
		if (!c)
			return;
		if (tls_wrap)
			find_peer(hit, c, tls_wrap);
		begin_postgres(c, &first);
	} else if (resembles_postgres(&first, word)) {
		c = add_connection(key);
		if (c)
			c->candidate = 1;
	}
}

/* `tls_wrap`: 0 where there is none */
static __noinline int on_write(const struct hit *hit, __u64 stream_base, __u64 bufs, __u32 pieces, __u64 tls_wrap)
{
	struct uspan_node_key key = { .stream_base = stream_base, .pid = hit->pid };
	struct uspan_node_connection *c = find_connection(&key);
	struct write write = {
		.c = c,
		.key = &key,
		.bufs = bufs,
		.probe_and_how = hit->probe_id | (tls_wrap ? FINISH_TLS : 0) << 16,
	};

	switch (c ? c->role : USPAN_NODE_ROLE_UNKNOWN) {
	case USPAN_NODE_ROLE_SERVER:
		if (!c || c->active == 0)
			return 0;
		bpf_loop(pieces, follow_piece, &write, 0);
		if (c->ending) {
			c->ending = 0;
			finish_request(&key, c, write.probe_and_how);
		}
		return 0;
	case USPAN_NODE_ROLE_POSTGRES:
		if (c)
			write_postgres(&key, c, bufs, pieces);
		return 0;
	case USPAN_NODE_ROLE_OTHER:
		return 0;
	default:
		on_client_write(hit, &key, c, bufs, pieces, tls_wrap);
	}
	return 0;
}

/* EmitToJSStreamListener::OnStreamRead(ssize_t nread, const uv_buf_t &buf): data for JavaScript, which a server's parser takes itself */
static __noinline int on_read(const struct hit *hit, __u64 listener, __s64 nread, __u64 buf)
{
	struct uspan_node_key key = { .pid = hit->pid };
	struct uspan_node_connection *c;
	__u32 len = nread > 0x7fffffff ? 0x7fffffff : nread;
	__u64 base = 0;

	/* StreamListener: a virtual table, stream_ */
	if (nread == 0 || bpf_probe_read_user(&key.stream_base, sizeof(key.stream_base), (void *)(listener + 8)))
		return 0;
	c = find_connection(&key);
	if (!c)
		return 0;
	if (nread < 0) {
		c->error = -nread;
		if (c->role == USPAN_NODE_ROLE_CLIENT && c->active && c->phase == USPAN_NODE_PHASE_CLOSE)
			finish_request(&key, c, hit->probe_id);
		return 0;
	}
	if (!c->active && !c->candidate && c->role != USPAN_NODE_ROLE_POSTGRES)
		return 0;
	bpf_probe_read_user(&base, sizeof(base), (void *)buf);
	if (c->role == USPAN_NODE_ROLE_CLIENT) {
		read_client_response(&key, c, base, len, hit->probe_id);
	} else if (c->role == USPAN_NODE_ROLE_POSTGRES) {
		read_postgres(&key, c, base, len, hit->probe_id);
	} else if (c->role == USPAN_NODE_ROLE_UNKNOWN && c->candidate && ends_ready(base, len)) {
		c->role = USPAN_NODE_ROLE_POSTGRES;
		c->request_left = c->left = 0;
	}
	return 0;
}

/* uv_tcp_connect(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr, uv_connect_cb) */
static __noinline int on_connect(const struct hit *hit, __u64 handle, __u64 address)
{
	struct uspan_node_key key = { .pid = hit->pid };
	struct uspan_node_connection *c;
	struct {
		__u16 family;
		__u16 port;
		__u32 v4; /* IPv6: flow information */
		__u8 v6[16];
	} sockaddr = {};
	__u64 wrap = 0;

	if (bpf_probe_read_user(&wrap, sizeof(wrap), (void *)handle) || bpf_probe_read_user(&sockaddr, 8, (void *)address))
		return 0;
	if (sockaddr.family == AF_INET6)
		bpf_probe_read_user(&sockaddr, sizeof(sockaddr), (void *)address);
	else if (sockaddr.family != AF_INET)
		return 0;
	key.stream_base = wrap + hit->config->stream_base;
	c = add_connection(&key);
	if (!c)
		return 0;
	c->peer.family = sockaddr.family;
	c->peer.port = bpf_ntohs(sockaddr.port);
	if (sockaddr.family == AF_INET)
		__builtin_memcpy(c->peer.address, &sockaddr.v4, 4);
	else
		__builtin_memcpy(c->peer.address, sockaddr.v6, 16);
	return 0;
}

struct closing {
	struct uspan_node_connection *c;
	const struct uspan_node_key *key;
	__u32 probe_and_how;
	__u32 reserved;
};

static long abort_request(__u32 index __attribute__((unused)), struct closing *closing)
{
	if (closing->c->active == 0)
		return 1;
	finish_request(closing->key, closing->c, closing->probe_and_how | FINISH_ABORTED << 16);
	return 0;
}

/* The connection is over: what is still in flight on it has no end of its own, but for a body that lasts until here. */
static __always_inline bool close_connection(const struct hit *hit, __u64 stream_base, bool tls)
{
	struct uspan_node_key key = { .stream_base = stream_base, .pid = hit->pid };
	struct uspan_node_connection *c = find_connection(&key);
	struct closing closing = { .c = c, .key = &key, .probe_and_how = hit->probe_id | (tls ? FINISH_TLS : 0) << 16 };

	if (!c)
		return false;
	if (c->active && (c->phase == USPAN_NODE_PHASE_CLOSE || (c->role == USPAN_NODE_ROLE_CLIENT && c->ending)))
		finish_request(&key, c, closing.probe_and_how | FINISH_AT_TOUCH << 16);
	if (c->active)
		bpf_loop(USPAN_NODE_MAX_PIPELINED, abort_request, &closing, 0);
	bpf_map_delete_elem(&node_connections, &key);
	return true;
}

/* uv_close(uv_handle_t *handle, uv_close_cb) */
static __noinline int on_close(const struct hit *hit, __u64 handle)
{
	struct {
		__u64 data;
		__u64 loop;
		__u32 type;
		__u32 reserved;
	} fields;
	__u64 listener = 0, stream_base;

	if (bpf_probe_read_user(&fields, sizeof(fields), (void *)handle))
		return 0;
	if (fields.type != UV_TCP && fields.type != UV_NAMED_PIPE)
		return 0;
	stream_base = fields.data + hit->config->stream_base;
	close_connection(hit, stream_base, false);
	/* Above it there may be TLS, as the stream's listener: its second word. */
	bpf_probe_read_user(&listener, sizeof(listener), (void *)(stream_base + 8));
	if (listener)
		close_connection(hit, listener - hit->config->tls_listener + hit->config->tls_base, true);
	return 0;
}

/* What it calls have stacks of their own, as 512 bytes are all that there is for a chain of calls. */
SEC("uprobe")
int node_http(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	struct hit hit = { .probe_id = site.probe_id, .pid = bpf_get_current_pid_tgid() >> 32 };
	__u64 wrap = 0;

	hit.config = bpf_map_lookup_elem(&node_configs, &hit.probe_id);
	if (!hit.config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(hit.config->probe.filter_by_process, hit.pid)) {
		if (site.moment == USPAN_NODE_MOMENT_REQUEST)
			count(USPAN_COUNTER_OTHER_PROCESS);
		return 0;
	}
	switch (site.moment) {
	case USPAN_NODE_MOMENT_REQUEST:
		on_request_head(hit.config, hit.pid, ARG0(ctx));
		break;
	case USPAN_NODE_MOMENT_WRITE:
		if (bpf_probe_read_user(&wrap, sizeof(wrap), (void *)ARG0(ctx)) == 0)
			on_write(&hit, wrap + hit.config->stream_base, ARG1(ctx), ARG2(ctx), 0);
		break;
	case USPAN_NODE_MOMENT_TLS_WRITE:
		on_write(&hit, ARG0(ctx) + hit.config->tls_base, ARG2(ctx), ARG3(ctx), ARG0(ctx));
		break;
	case USPAN_NODE_MOMENT_READ:
		on_read(&hit, ARG0(ctx), ARG1(ctx), ARG2(ctx));
		break;
	case USPAN_NODE_MOMENT_CONNECT:
		on_connect(&hit, ARG1(ctx), ARG2(ctx));
		break;
	case USPAN_NODE_MOMENT_CLOSE:
		on_close(&hit, ARG0(ctx));
		break;
	}
	return 0;
}
