/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of Go's database/sql. */
#ifndef USPAN_EVENTS_SQL_H
#define USPAN_EVENTS_SQL_H

#include "events/go_link.h"
#include "events/http_server.h"

/* Where a probe of go_sql.bpf.c is; go-sql.ts has the places. */
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

/* How an operation gets its connection, which tells where it ends. */
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
	USPAN_SQL_SYSTEM_BY_DSN = 255, /* never in an event: the connector does not tell, its driver does */
};

enum uspan_sql_operation {
	USPAN_SQL_STATEMENT = 0, /* its text says which */
	USPAN_SQL_OP_PREPARE = 1,
	USPAN_SQL_OP_BEGIN = 2,
	USPAN_SQL_OP_COMMIT = 3,
	USPAN_SQL_OP_ROLLBACK = 4,
};

/* Texts of an SQL span, one after another in this order. */
enum uspan_sql_text {
	USPAN_SQL_TEXT_STATEMENT = 0,
	USPAN_SQL_TEXT_ERROR_TYPE = 1,    /* Go type of the error, as `*pq.Error` */
	USPAN_SQL_TEXT_ERROR_MESSAGE = 2, /* of an *errors.errorString only: which of the well-known errors it is; never exported */
	USPAN_SQL_TEXT_STATUS = 3,        /* what the database answered: SQLSTATE */
	USPAN_SQL_TEXTS = 4,
};

struct uspan_sql_event {
	struct uspan_span_head span;
	__u32 status_number;   /* what the database answered, as a number; 0: none */
	__u8 system;           /* enum uspan_sql_system */
	__u8 operation;        /* enum uspan_sql_operation */
	__u8 failed;           /* 1: with an error, if only of unknown type */
	__u8 reserved;
	__u8 cut_mask;         /* bit per enum uspan_sql_text */
	__u8 unreadable_mask;
	__u16 text_len[4];     /* by enum uspan_sql_text */
	__u16 reserved1;
	__u32 reserved2;
	/* then the texts */
};

/* A type of a connector or driver whose system is known. */
struct uspan_sql_driver_type {
	__u64 type; /* link-time address of its descriptor; 0: not in the program */
	__u32 system;
	__u32 reserved;
};

/* How an error of a driver tells what the database answered. */
enum uspan_sql_status_kind {
	USPAN_SQL_STATUS_STRING = 1,
	USPAN_SQL_STATUS_INT = 2, /* 8 bytes */
	USPAN_SQL_STATUS_U16 = 3,
};

struct uspan_sql_error_type {
	__u64 type;    /* link-time address of its descriptor; 0: not in the program */
	__u16 status;  /* offset of the field in bytes */
	__u16 kind;    /* enum uspan_sql_status_kind */
	__u32 reserved;
};

#define USPAN_SQL_DRIVER_TYPES 16
#define USPAN_SQL_ERROR_TYPES 8

/* Per attached binary (index: probe id): where its database/sql keeps things. Offsets in bytes. */
struct uspan_go_sql_config {
	struct uspan_probe_head probe;
	__u16 db_connector;      /* DB.connector, an interface */
	__u16 dsn_driver;        /* dsnConnector.driver, an interface */
	__u16 stmt_db;           /* Stmt.db; Stmt.query, a string, follows it */
	__u16 conn_db;           /* driverConn.db */
	__u16 tx_conn;           /* Tx.dc, a pointer to the driverConn */
	__u16 tx_ctx;            /* Tx.ctx, an interface; 0: the program has no transactions */
	__u32 reserved;
	__u64 types;             /* link-time address of the type descriptors */
	__u64 dsn_connector;     /* link-time addresses of type descriptors; 0: not in the program */
	__u64 error_string;
	struct uspan_sql_driver_type driver_types[USPAN_SQL_DRIVER_TYPES];
	struct uspan_sql_error_type error_types[USPAN_SQL_ERROR_TYPES];
	struct uspan_go_link_config link;
};

/* A Go interface's itab in a process → the system its type is of. */
struct uspan_sql_itab_key {
	__u64 itab;
	__u32 pid;
	__u32 probe_id;
};

/*
 * An operation between its start and its end. The statement is copied at the start, as far as there is room: the driver may have no
 * more use for it long before the end, and Go then gives its memory to something else. A longer one is read at the end. The entry is also its goroutine's scratch memory, as uspan_http_in_flight is.
 */
struct uspan_sql_in_flight {
	__u64 error_itab; /* of the attempt that failed last */
	__u64 error_data;
	__u64 error_ktime_ns;
	__u64 db; /* *sql.DB whose system the event has */
	struct uspan_text_ref text[4]; /* by enum uspan_sql_text */
	__u32 active;     /* enum uspan_sql_connection; 0 when it is over */
	__u32 sampled;
	__u32 attempts;   /* that failed and are made again */
	__u32 kept_len;   /* bytes of the statement in `raw` */
	struct uspan_sql_event event;
	__u8 raw[USPAN_SMALL_TEXT_BYTES * 2]; /* the statement, and at the end the other texts behind it */
};

#endif
