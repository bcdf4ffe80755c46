// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What Node.js programs do on their sockets, from five functions of the node binary that servers and clients of every protocol go through.
 * Only entries are probed: a return probe on a function that V8 calls aborts the process when JavaScript throws. A connection is identified
 * by its StreamBase, a C++ object that lives as long as the connection. The HTTP parser and the listener that hands data to JavaScript
 * point to it, and it is part of the wrap object that a libuv stream points to. So no state per thread is needed.
 *
 * This program knows connections, their peers and their roles. The program of a role knows its protocol, and gets its hits by a tail call.
 * That program also gives a connection its role, after it has looked at what was written first.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "node/hit.h"
#include "node/sniff.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, USPAN_NODE_PROBES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} node_programs SEC(".maps");

#define AF_INET 2
#define AF_INET6 10

/* uv.h: unchanged since libuv 1.0. */
#define UV_HANDLE_TYPE 16
#define UV_NAMED_PIPE 7
#define UV_TCP 12

/* A hit, from its function's arguments. */
struct core_hit {
	struct uspan_node_config *config;
	__u64 stream_base;
	__u64 data;
	__u64 tls_wrap;
	__s64 len;
	__u32 pid;
	__u32 moment;
};

/* A TLS connection is on top of another one, which knows the peer and has no other role from here on. */
static __always_inline void find_peer_below(const struct core_hit *hit, struct uspan_node_connection *connection)
{
	struct uspan_open_span_key key = { .pid = hit->pid };
	struct uspan_node_connection *below;

	if (bpf_probe_read_user(&key.owner, sizeof(key.owner), (void *)(hit->tls_wrap + hit->config->tls_listener + 8)))
		return;
	below = bpf_map_lookup_elem(&node_connections, &key);
	if (!below)
		return;
	connection->peer = below->peer;
	set_role_of(below, &key, USPAN_NODE_ROLE_OTHER);
}

/* Which program sees what is written on a connection that has no role yet. */
static __always_inline __u32 role_of_first_write(const struct core_hit *hit, const struct uspan_open_span_key *key)
{
	struct uspan_node_connection *connection;
	struct uv_buf first;
	__u64 word = 0;
	__u32 role;

	if (hit->len == 0 || bpf_probe_read_user(&first, sizeof(first), (void *)hit->data) || first.len < 5)
		return 0;
	bpf_probe_read_user(&word, first.len < 8 ? 5 : 8, (void *)first.base);
	role = sniff(&first, word);
	if (!role && is_own_reply(&first, word))
		count(USPAN_COUNTER_SERVER_REPLIED);
	if (!role || hit->config->probes[role] == USPAN_FIELD_ABSENT)
		return 0;
	connection = add_connection(key);
	if (!connection)
		return 0;
	if (hit->tls_wrap && !connection->peer.family)
		find_peer_below(hit, connection);
	return role;
}

/* The role of a connection, which is remembered from here on. 0: it has none yet. */
static __always_inline __u32 role_of(const struct uspan_node_connection *connection, const struct uspan_open_span_key *key)
{
	if (connection->role)
		remember_role(key->owner, key->pid, connection->role);
	return connection->role;
}

/*
 * A StreamBase, its connection's libuv handle and its listener for JavaScript are members of one object. So once their distance is known,
 * the address of one gives that of the StreamBase, which is right if it is that of a connection with a role. Returns the role, or 0.
 */
static __always_inline __u32 role_by_distance(struct core_hit *hit, __u64 member, __u16 distance)
{
	hit->stream_base = member - distance;
	return distance ? remembered_role(hit->stream_base, hit->pid) : 0;
}

#define MAX_DISTANCE 0xffff

/* Learns the distance of a member from the StreamBase of a connection. */
static __always_inline void learn(__u16 *distance, __u64 member, __u64 stream_base)
{
	if (member - stream_base <= MAX_DISTANCE)
		*distance = member - stream_base;
}

static __always_inline __u32 on_write(const struct core_hit *hit)
{
	struct uspan_open_span_key key = connection_key(hit->stream_base, hit->pid);
	struct uspan_node_connection *connection;
	__u32 role;

	connection = bpf_map_lookup_elem(&node_connections, &key);
	role = connection ? role_of(connection, &key) : 0;
	return role ? role : role_of_first_write(hit, &key);
}

/*
 * EmitToJSStreamListener::OnStreamRead(ssize_t nread, const uv_buf_t &buf): data for JavaScript. A server's parser takes its data itself.
 */
static __always_inline __u32 on_read(struct core_hit *hit, __u64 listener)
{
	struct uspan_open_span_key key = { .pid = hit->pid };
	struct uspan_node_connection *connection;
	__u32 role;

	if (hit->len == 0)
		return 0;
	role = role_by_distance(hit, listener, hit->config->listener);
	if (role)
		return role;
	/* StreamListener: a virtual table, then stream_. */
	if (bpf_probe_read_user(&key.owner, sizeof(key.owner), (void *)(listener + 8)))
		return 0;
	hit->stream_base = key.owner;
	connection = bpf_map_lookup_elem(&node_connections, &key);
	if (!connection)
		return 0;
	learn(&hit->config->listener, listener, hit->stream_base);
	return role_of(connection, &key);
}

/* uv_tcp_connect(uv_connect_t *req, uv_tcp_t *handle, const struct sockaddr *addr, uv_connect_cb) */
static __always_inline void on_connect(const struct core_hit *hit, __u64 handle, __u64 address)
{
	struct uspan_node_connection connected = {};
	struct uspan_open_span_key key;
	struct {
		__u16 family;
		__u16 port;
		__u32 v4; /* IPv6: flow information */
		__u8 v6[16];
	} sockaddr = {};
	__u64 wrap = 0;
	long refused;

	if (bpf_probe_read_user(&wrap, sizeof(wrap), (void *)handle) || bpf_probe_read_user(&sockaddr, 8, (void *)address))
		return;
	if (sockaddr.family == AF_INET6)
		bpf_probe_read_user(&sockaddr, sizeof(sockaddr), (void *)address);
	else if (sockaddr.family != AF_INET)
		return;
	connected.peer.family = sockaddr.family;
	connected.peer.port = bpf_ntohs(sockaddr.port);
	if (sockaddr.family == AF_INET)
		__builtin_memcpy(connected.peer.address, &sockaddr.v4, 4);
	else
		__builtin_memcpy(connected.peer.address, sockaddr.v6, 16);
	key = connection_key(wrap + hit->config->stream_base, hit->pid);
	forget_role(key.owner, key.pid);
	refused = bpf_map_update_elem(&node_connections, &key, &connected, BPF_ANY);
	if (refused)
		count_refused(refused);
}

/* Removes a connection. Returns the role that it had. */
static __always_inline __u32 remove_connection(__u64 stream_base, __u32 pid)
{
	struct uspan_open_span_key key = connection_key(stream_base, pid);
	struct uspan_node_connection *connection = bpf_map_lookup_elem(&node_connections, &key);
	__u32 role;

	if (!connection)
		return 0;
	role = connection->role;
	forget_role(stream_base, pid);
	bpf_map_delete_elem(&node_connections, &key);
	return role;
}

/*
 * uv_close(uv_handle_t *handle, uv_close_cb). Above a connection there may be TLS, as the stream's listener, in its second word. Then only
 * one of the two has a role, see find_peer_below().
 */
static __always_inline __u32 on_close(struct core_hit *hit, __u64 handle)
{
	struct {
		__u64 data;
		__u64 loop;
		__u32 type;
		__u32 reserved;
	} fields;
	__u64 listener = 0;
	__u32 below, above = 0;

	if (bpf_probe_read_user(&fields, sizeof(fields), (void *)handle))
		return 0;
	if (fields.type != UV_TCP && fields.type != UV_NAMED_PIPE)
		return 0;
	hit->stream_base = fields.data + hit->config->stream_base;
	below = remove_connection(hit->stream_base, hit->pid);
	bpf_probe_read_user(&listener, sizeof(listener), (void *)(hit->stream_base + 8));
	if (listener) {
		hit->data = listener - hit->config->tls_listener + hit->config->tls_base;
		above = remove_connection(hit->data, hit->pid);
	}
	if (!above || above == USPAN_NODE_ROLE_OTHER)
		return below;
	hit->stream_base = hit->data;
	hit->tls_wrap = 1;
	return above;
}

static __always_inline __u32 route(struct pt_regs *ctx, struct core_hit *hit)
{
	__u64 wrap = 0;
	__u32 role;

	switch (hit->moment) {
	case USPAN_NODE_MOMENT_WRITE:
		hit->data = ARG1(ctx);
		hit->len = (__u32)ARG2(ctx);
		role = role_by_distance(hit, ARG0(ctx), hit->config->handle);
		if (role)
			return role;
		if (bpf_probe_read_user(&wrap, sizeof(wrap), (void *)ARG0(ctx)))
			return 0;
		hit->stream_base = wrap + hit->config->stream_base;
		role = on_write(hit);
		if (role)
			learn(&hit->config->handle, ARG0(ctx), hit->stream_base);
		return role;
	case USPAN_NODE_MOMENT_TLS_WRITE:
		hit->tls_wrap = ARG0(ctx);
		hit->stream_base = ARG0(ctx) + hit->config->tls_base;
		hit->data = ARG2(ctx);
		hit->len = (__u32)ARG3(ctx);
		role = remembered_role(hit->stream_base, hit->pid);
		return role ? role : on_write(hit);
	case USPAN_NODE_MOMENT_READ:
		hit->len = ARG1(ctx);
		hit->data = ARG2(ctx);
		return on_read(hit, ARG0(ctx));
	case USPAN_NODE_MOMENT_CONNECT:
		on_connect(hit, ARG1(ctx), ARG2(ctx));
		return 0;
	case USPAN_NODE_MOMENT_CLOSE:
		return on_close(hit, ARG0(ctx));
	}
	return 0;
}

SEC("uprobe")
int node_core(struct pt_regs *ctx)
{
	struct site site = site_of(ctx);
	__u64 thread = bpf_get_current_pid_tgid();
	struct core_hit hit = { .pid = thread >> 32, .moment = site.moment };
	struct hit_scratch *scratch;
	__u32 role, probe_id;

	hit.config = bpf_map_lookup_elem(&node_configs, &site.probe_id);
	if (!hit.config)
		return 0;
	count_hit(site.probe_id, site.moment);
	if (!wanted(hit.config->probe.filter_by_process, hit.pid))
		return 0;
	role = route(ctx, &hit);
	if (!role || role >= USPAN_NODE_PROBES)
		return 0;
	probe_id = hit.config->probes[role];
	if (probe_id == USPAN_FIELD_ABSENT)
		return 0;
	scratch = take_scratch(thread);
	if (!scratch)
		return 0;
	scratch->stream_base = hit.stream_base;
	scratch->data = hit.data;
	scratch->tls_wrap = hit.tls_wrap;
	scratch->len = hit.len;
	scratch->probe_id = probe_id;
	bpf_tail_call(ctx, &node_programs, role);
	/* There is no such program: the role belongs to another protocol. */
	give_scratch(scratch);
	return 0;
}
