/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's database/sql. */
#ifndef USPAN_EVENTS_SQL_H
#define USPAN_EVENTS_SQL_H

/* Where a probe of go_sql.bpf.c is. src/probes/definitions/go/sql-points.ts has the places. */
enum uspan_sql_moment {
	USPAN_SQL_DB_RUN = 0,       /* begins: (*DB).QueryContext, ExecContext */
	USPAN_SQL_DB_PREPARE = 1,   /* begins: (*DB).PrepareContext */
	USPAN_SQL_STMT_RUN = 2,     /* begins: (*Stmt).QueryContext, ExecContext */
	USPAN_SQL_HELD_QUERY = 3,   /* begins, on a connection held by a Tx or Conn: the call of queryDC */
	USPAN_SQL_HELD_EXEC = 4,    /* the same of execDC */
	USPAN_SQL_HELD_PREPARE = 5, /* the same of prepareDC */
	USPAN_SQL_SUCCEEDED = 6,    /* ends well */
	USPAN_SQL_PREPARED = 7,     /* ends, if the second result, an error, is nil, or this was the last attempt */
	USPAN_SQL_EXECUTED = 8,     /* the same of the third result */
	USPAN_SQL_FAILED = 9,       /* an attempt failed, with the first argument */
	USPAN_SQL_RETRIED = 10,     /* ends with that failure, unless the result says that there is another attempt */
	USPAN_SQL_RELEASED = 11,    /* ends what runs on a held connection, with the first argument, an error or nil */
	USPAN_SQL_BEGIN = 12,       /* begins: (*DB).BeginTx */
	USPAN_SQL_COMMIT = 13,      /* begins: the driver is about to commit */
	USPAN_SQL_ROLLBACK = 14,    /* begins: the driver is about to roll back */
	USPAN_SQL_HELD_BEGIN = 15,  /* begins, on a connection held by a Conn: the call of beginDC */
};

/* How an operation gets its connection, and so where it ends. It is the value of uspan_open_span.open. */
enum uspan_sql_connection {
	USPAN_SQL_FROM_POOL = 1, /* in (*DB).retry */
	USPAN_SQL_HELD = 2,      /* of a Tx or Conn */
};

/* db.system.name */
enum uspan_sql_system {
	USPAN_SQL_SYSTEM_OTHER = 0,
	USPAN_SQL_SYSTEM_POSTGRESQL = 1,
	USPAN_SQL_SYSTEM_MYSQL = 2,
	USPAN_SQL_SYSTEM_SQLITE = 3,
	USPAN_SQL_SYSTEM_BY_DSN = 255, /* never in a record: the connector does not show it, but its driver does */
};

enum uspan_sql_operation {
	USPAN_SQL_STATEMENT = 0, /* its text says which */
	USPAN_SQL_OP_PREPARE = 1,
	USPAN_SQL_OP_BEGIN = 2,
	USPAN_SQL_OP_COMMIT = 3,
	USPAN_SQL_OP_ROLLBACK = 4,
};

/* Fields of an SQL span, beside those of enum uspan_go_error_field. Numbers have 4 bytes. */
enum uspan_sql_field {
	USPAN_SQL_FIELD_STATEMENT = 0,
	USPAN_SQL_FIELD_SYSTEM = 1,    /* a number: enum uspan_sql_system */
	USPAN_SQL_FIELD_OPERATION = 2, /* a number: enum uspan_sql_operation; absent: a statement */
};

/* A type of a connector or driver with a known system. */
struct uspan_sql_driver_type {
	__u32 type_hash; /* internal/abi.Type.Hash; 0: unused */
	__u32 system;    /* enum uspan_sql_system */
};

#define USPAN_SQL_DRIVER_TYPES 32

/* Configuration of an attachment: offsets in its database/sql, in bytes. */
struct uspan_go_sql_config {
	struct uspan_probe_head probe;
	__u16 db_connector;      /* DB.connector, an interface */
	__u16 dsn_driver;        /* dsnConnector.driver, an interface */
	__u16 stmt_db;           /* Stmt.db; Stmt.query, a string, follows it */
	__u16 conn_db;           /* driverConn.db */
	__u16 tx_conn;           /* Tx.dc, a pointer to the driverConn */
	__u16 tx_ctx;            /* Tx.ctx, an interface; 0: the program has no transactions */
	__u16 final;             /* what the low byte of the first result register is, at USPAN_SQL_RETRIED, if there is no other attempt: 0 or 1 */
	__u16 reserved;
	struct uspan_sql_driver_type driver_types[USPAN_SQL_DRIVER_TYPES];
};

/* A Go interface's itab in a process → the system of its type. */
struct uspan_sql_itab_key {
	__u64 itab;
	__u32 pid;
	__u32 probe_id;
};

/* What an operation of a Go program keeps in uspan_open_span.own. */
struct uspan_go_operation {
	__u64 db;             /* *sql.DB that `system` is of */
	__u64 error_ktime_ns; /* when the last attempt failed */
	__u64 statement;      /* its text, while an attempt runs with it */
	__u32 system;
	__u32 attempts;       /* attempts that failed and are made again */
	__u16 used;           /* uspan_open_span.used and .late without an error */
	__u16 late;
	__u32 reserved;
};

#endif
