/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The other end of a server's connection. The kernel knows it, by the descriptor that libuv has in the connection's handle. Looked up once
 * for each connection.
 */
#ifndef USPAN_NODE_PEER_H
#define USPAN_NODE_PEER_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "node/hit.h"

#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* uv.h: uv_stream_t, unchanged in libuv 1.43 to 1.52 (uv_fileno() and the offset of uv__io_t) */
#define UV_STREAM_FD 184

/* Reads the peer of descriptor `fd` of this process, if it is an IP socket. */
static __always_inline void read_peer(struct uspan_node_peer *peer, __u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	struct fdtable___size *size = (struct fdtable___size *)table;
	struct inode___mode *inode;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (fd >= BPF_CORE_READ(size, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return;
	/* The program's own memory gave the descriptor, so do not trust it. */
	inode = (struct inode___mode *)BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_INET)
		BPF_CORE_READ_INTO((__u32 *)peer->address, sk, __sk_common.skc_daddr);
	else if (family == AF_INET6)
		BPF_CORE_READ_INTO(&peer->address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	else
		return;
	peer->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	peer->family = family;
}

/*
 * The libuv handle of a LibuvStreamWrap, or 0 if it is something else. A HandleWrap's last fields are its state and `handle_`, in this
 * order or the other, before the StreamBase. A handle points back to its wrap (src/handle_wrap.h of the Node.js tree).
 */
static __always_inline __u64 handle_of(const struct uspan_node_config *config, __u64 stream_base)
{
	__u64 wrap = stream_base - config->stream_base, fields[2] = {}, back = 0;

	if (bpf_probe_read_user(fields, sizeof(fields), (void *)(stream_base - sizeof(fields))))
		return 0;
	if (bpf_probe_read_user(&back, sizeof(back), (void *)fields[1]) == 0 && back == wrap)
		return fields[1];
	if (bpf_probe_read_user(&back, sizeof(back), (void *)fields[0]) == 0 && back == wrap)
		return fields[0];
	return 0;
}

/* Finds the peer of a server's connection, or of the one below it if it is TLS. */
static __always_inline void find_server_peer(const struct uspan_node_config *config, struct uspan_node_peer *peer, __u64 stream_base)
{
	__u64 handle = handle_of(config, stream_base), below = 0;
	__s32 fd = -1;

	if (!handle && config->tls_base) {
		bpf_probe_read_user(&below, sizeof(below), (void *)(stream_base - config->tls_base + config->tls_listener + 8));
		if (below)
			handle = handle_of(config, below);
	}
	if (handle && bpf_probe_read_user(&fd, sizeof(fd), (void *)(handle + UV_STREAM_FD)) == 0 && fd >= 0)
		read_peer(peer, fd);
}

#endif
