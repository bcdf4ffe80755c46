/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Statements that Node programs send to PostgreSQL, by its wire protocol, version 3: https://www.postgresql.org/docs/current/protocol.html.
 * A statement is what a Query, or a Parse or Bind up to the next Sync, makes the server do; ReadyForQuery ends it.
 */
#ifndef USPAN_NODE_POSTGRES_H
#define USPAN_NODE_POSTGRES_H

#include <bpf/bpf_endian.h>
#include "node/client.h"

#define PROTOCOL_3_0 196608
#define PROTOCOL_3_2 196610
#define MESSAGE_HEADER 5 /* type and length, which counts itself */
#define MAX_STARTUP_PARAMETERS 8

struct startup {
	struct uspan_node_connection *c;
	__u64 at;
};

/* One name and value of a startup message; both end with a zero. */
static long read_parameter(__u32 index __attribute__((unused)), struct startup *startup)
{
	struct uspan_node_connection *c = startup->c;
	char name[16] = {};
	long len = bpf_probe_read_user_str(name, sizeof(name), (void *)startup->at);

	if (len <= 1)
		return 1;
	startup->at += len;
	len = bpf_probe_read_user_str(c->window, USPAN_NODE_DATABASE_BYTES, (void *)startup->at);
	if (len <= 0)
		return 1;
	startup->at += len;
	if (__builtin_memcmp(name, "database", 9) == 0) {
		__builtin_memcpy(c->database, c->window, USPAN_NODE_DATABASE_BYTES);
		c->database_len = len - 1;
		return 1;
	}
	return 0;
}

/* A connection's first write, when it is the startup message of this protocol. */
static __always_inline bool begins_postgres(const struct uv_buf *first, __u64 word)
{
	__u32 len = bpf_ntohl((__u32)word), code = bpf_ntohl((__u32)(word >> 32));

	return len == first->len && len > 8 && (code == PROTOCOL_3_0 || code == PROTOCOL_3_2);
}

static __always_inline void begin_postgres(struct uspan_node_connection *c, const struct uv_buf *first)
{
	struct startup startup = { .c = c, .at = first->base + 8 };

	c->role = USPAN_NODE_ROLE_POSTGRES;
	c->database_len = 0;
	bpf_loop(MAX_STARTUP_PARAMETERS, read_parameter, &startup, 0);
}

/*
 * Whether a write could be a statement on a connection that was there before us: one message that fills its piece. The answer decides:
 * only a connection that answers with ReadyForQuery is taken.
 */
static __always_inline bool resembles_postgres(const struct uv_buf *first, __u64 word)
{
	__u8 type = word;
	__u32 len = bpf_ntohl((__u32)(word >> 8));

	return (type == 'Q' || type == 'P' || type == 'B') && len >= 4 && first->len == (__u64)len + 1;
}

#endif
