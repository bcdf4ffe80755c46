/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A hit on its way from the core to the program of its connection's role. The core reads what the function's arguments say into scratch
 * memory, and tail-calls. The program finds it there, because a tail call passes only the registers. A program also puts together there
 * what it reads of the process.
 *
 * Each CPU has a few pieces of scratch memory. A program takes one for itself, by the thread that it runs for, because another task can
 * preempt it and run the same program on the same CPU. It never moves to another CPU before it ends.
 */
#ifndef USPAN_NODE_HIT_H
#define USPAN_NODE_HIT_H

#include "node/roles.h"
#include "span/life.h"

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

/* Index: attachment id. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USPAN_MAX_PROBES);
	__type(key, __u32);
	__type(value, struct uspan_node_config);
} node_configs SEC(".maps");

/* Every connection with a known peer or role. It belongs to one event loop, and so to one thread, and lasts until it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct uspan_open_span_key);
	__type(value, struct uspan_node_connection);
} node_connections SEC(".maps");

/*
 * The programs of the roles. Each object with such a program declares the map with its own program in its place. All objects share one map,
 * which then has every program that is loaded.
 */
#define NODE_PROGRAM(role, program)                                                                 \
	int program(struct pt_regs *ctx);                                                           \
	struct {                                                                                    \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                              \
		__uint(max_entries, USPAN_NODE_PROBES);                                             \
		__uint(key_size, sizeof(__u32));                                                    \
		__array(values, int(struct pt_regs *));                                             \
	} node_programs SEC(".maps") = { .values = { [role] = (void *)&program } }

#define TEXT_BYTES 2048        /* of a text that is looked at in one piece */
#define TEXT_MARGIN_BYTES 64   /* behind it, for reads beyond its end */
#define WINDOW_BYTES 512       /* of a head, looked at in one piece */
#define WINDOW_MARGIN_BYTES 128
#define BUFS 16
#define MAX_PIECE_BYTES 0x7fffffff
#define PARSER_BYTES 1712      /* node/parser.h */

struct hit_scratch {
	__u64 thread;      /* pid and tid of its user; 0: free */
	__u64 stream_base; /* the connection */
	__u64 data;        /* written: its pieces; read: its bytes; closed: a StreamBase that may be above */
	__u64 tls_wrap;    /* written over TLS: the TLSWrap */
	__s64 len;         /* written: how many pieces; read: bytes, or what libuv says has failed, negated */
	__u32 probe_id;    /* the attachment of the connection's role */
	__u32 traceparents;
	__u8 traceparent[64];
	__u32 traceparent_len;
	__u32 window_len;
	__u64 window_address; /* where the window comes from, or at the head of a server's request the text below */
	__u64 host_address;   /* of the last line of a head that begins with "Host:"; 0: there was none */
	__u32 long_used;
	__u32 available;      /* pg: bytes of the message's body in the piece that it begins in */
	__u32 piece;          /* pg: the next piece of a write */
	__u32 reserved_piece;
	__u64 bufs[2 * BUFS]; /* pg: the first pieces of a write */
	union { /* only one of them is needed at a time */
		__u8 window[WINDOW_BYTES + WINDOW_MARGIN_BYTES];
		__u8 parser[PARSER_BYTES];
		struct uspan_node_long long_fields;
	};
	/* As in struct uspan_node_statement. */
	__u16 text_len;
	__u8 marks;
	__u8 reserved;
	__u8 text[TEXT_BYTES + TEXT_MARGIN_BYTES];
};

#define SCRATCHES 4

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct hit_scratch);
} node_scratch SEC(".maps");

/* Scratch memory that belongs to this program until give_scratch(). 0 if there is none, which is counted. */
static __always_inline struct hit_scratch *take_scratch(__u64 thread)
{
	for (__u32 i = 0; i < SCRATCHES; i++) {
		__u32 slot = i;
		struct hit_scratch *scratch = bpf_map_lookup_elem(&node_scratch, &slot);

		if (scratch && __sync_val_compare_and_swap(&scratch->thread, 0, thread) == 0)
			return scratch;
	}
	count(USPAN_COUNTER_LOST_UNREADABLE);
	return 0;
}

/* What the core has left for the program that it has tail-called. */
static __always_inline struct hit_scratch *taken_scratch(__u64 thread)
{
	for (__u32 i = 0; i < SCRATCHES; i++) {
		__u32 slot = i;
		struct hit_scratch *scratch = bpf_map_lookup_elem(&node_scratch, &slot);

		if (scratch && scratch->thread == thread)
			return scratch;
	}
	return 0;
}

static __always_inline void give_scratch(struct hit_scratch *scratch)
{
	__sync_lock_test_and_set(&scratch->thread, 0);
}

/* What a program needs for a hit. */
struct hit {
	const struct uspan_node_config *config; /* of the role's own attachment */
	struct hit_scratch *scratch;
	__u32 probe_id;
	__u32 pid;
};

/* Takes what the core has left for the program that it has tail-called. False: nothing. */
static __always_inline bool take_hit(struct hit *hit, __u64 thread)
{
	hit->pid = thread >> 32;
	hit->scratch = taken_scratch(thread);
	if (!hit->scratch)
		return false;
	hit->probe_id = hit->scratch->probe_id;
	hit->config = bpf_map_lookup_elem(&node_configs, &hit->probe_id);
	return hit->config; /* Always: an array has its entries. */
}

static __always_inline struct uspan_open_span_key connection_key(__u64 stream_base, __u32 pid)
{
	struct uspan_open_span_key key = { .owner = stream_base, .pid = pid };

	return key;
}

/* The connection's entry, made if there is none. 0: there is no room, which is counted. */
static __always_inline struct uspan_node_connection *add_connection(const struct uspan_open_span_key *key)
{
	struct uspan_node_connection none = {}, *connection = bpf_map_lookup_elem(&node_connections, key);
	long refused;

	if (connection)
		return connection;
	refused = bpf_map_update_elem(&node_connections, key, &none, BPF_ANY);
	if (refused) {
		count_refused(refused);
		return 0;
	}
	return bpf_map_lookup_elem(&node_connections, key);
}

/* Sets the role of a connection. */
static __always_inline void set_role_of(struct uspan_node_connection *connection, const struct uspan_open_span_key *key,
					enum uspan_node_role role)
{
	forget_role(key->owner, key->pid);
	connection->role = role;
}

static __always_inline void set_role(const struct uspan_open_span_key *key, enum uspan_node_role role)
{
	struct uspan_node_connection *connection = bpf_map_lookup_elem(&node_connections, key);

	if (connection)
		set_role_of(connection, key, role);
}

#endif
