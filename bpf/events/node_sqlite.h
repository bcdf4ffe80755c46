/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: statements that Node.js runs on the SQLite that it contains, node:sqlite. */
#ifndef USPAN_EVENTS_NODE_SQLITE_H
#define USPAN_EVENTS_NODE_SQLITE_H

enum uspan_node_sqlite_moment {
	USPAN_NODE_SQLITE_RESET = 0,    /* sqlite3_reset: before a statement runs, and after it */
	USPAN_NODE_SQLITE_EXEC = 1,     /* DatabaseSync::Exec calls sqlite3_exec */
	USPAN_NODE_SQLITE_EXECUTED = 2, /* which has returned */
	USPAN_NODE_SQLITE_PREPARE = 3,  /* DatabaseSync::Prepare calls sqlite3_prepare_v2 or _v3 */
	USPAN_NODE_SQLITE_PREPARED = 4, /* which has returned */
};

enum uspan_node_sqlite_field {
	USPAN_NODE_SQLITE_STATEMENT = 0,   /* for EXEC all of them */
	USPAN_NODE_SQLITE_RESULT_CODE = 1, /* a number, extended as in sqlite3.h: the statement failed */
	USPAN_NODE_SQLITE_OPERATION = 2,   /* a number, enum uspan_sql_operation; absent: a statement */
};

/* Configuration of an attachment: offsets in a prepared statement, `struct Vdbe` of SQLite's vdbeInt.h, in bytes. */
struct uspan_node_sqlite_config {
	struct uspan_probe_head probe;
	__s32 callers_low;       /* node:sqlite's own code, by the distance from sqlite3_reset */
	__s32 callers_high;
	__u16 state;             /* eVdbeState, a byte */
	__u16 result_code;       /* rc, an int */
	__u16 sql;               /* zSql, a char * */
	__u16 reserved;
};

#endif
