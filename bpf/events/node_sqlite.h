/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: statements that Node.js runs on the SQLite it contains, node:sqlite. */
#ifndef USPAN_EVENTS_NODE_SQLITE_H
#define USPAN_EVENTS_NODE_SQLITE_H

enum uspan_node_sqlite_moment {
	USPAN_NODE_SQLITE_RESET = 0,    /* sqlite3_reset: before a statement runs, and after it */
	USPAN_NODE_SQLITE_EXEC = 1,     /* DatabaseSync::Exec calls sqlite3_exec */
	USPAN_NODE_SQLITE_EXECUTED = 2, /* which has returned */
	USPAN_NODE_SQLITE_PREPARE = 3,  /* DatabaseSync::Prepare calls sqlite3_prepare_v2 or _v3 */
	USPAN_NODE_SQLITE_PREPARED = 4, /* which has returned */
};

struct uspan_node_sqlite_event {
	struct uspan_span_head span;
	__u32 result_code; /* extended, as in sqlite3.h; 0: it went well */
	__u16 text_len;    /* the statement follows, or for EXEC all of them */
	__u16 prepare;     /* 1: it could not be prepared */
};

/* Per attached binary (index: probe id): offsets in bytes in a prepared statement, `struct Vdbe` of SQLite's vdbeInt.h. */
struct uspan_node_sqlite_config {
	struct uspan_probe_head probe;
	__s32 callers_low;       /* code of node:sqlite's own, from sqlite3_reset on */
	__s32 callers_high;
	__u16 state;             /* eVdbeState, a byte */
	__u16 result_code;       /* rc, an int */
	__u16 sql;               /* zSql, a char * */
	__u16 reserved;
};

struct uspan_node_sqlite_key {
	__u64 id; /* a prepared statement's address; or a thread, with the highest bit set */
	__u32 pid;
	__u32 reserved;
};

/* What has begun. */
struct uspan_node_sqlite_in_flight {
	__u64 sql; /* address of the text, while a thread is in a call that it gave it to */
	__u32 sampled;
	__u32 reserved;
	struct uspan_node_sqlite_event event;
};

#endif
