/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of PostgreSQL's own statements, by its USDT probes. */
#ifndef USPAN_EVENTS_POSTGRESQL_H
#define USPAN_EVENTS_POSTGRESQL_H

enum uspan_postgresql_moment {
	USPAN_POSTGRESQL_STATUS = 0,   /* USDT statement__status: a statement is reported, or (NULL) the session is idle */
	USPAN_POSTGRESQL_EXECUTED = 1, /* USDT query__execute__done */
	USPAN_POSTGRESQL_ERROR = 2,    /* errstart_cold: an error is raised */
	USPAN_POSTGRESQL_CODE = 3,     /* errcode: the SQLSTATE of what is raised */
	USPAN_POSTGRESQL_ERRNO = 4,    /* errcode_for_file_access and similar: a SQLSTATE that only errno gives */
	USPAN_POSTGRESQL_RETHROWN = 5, /* ReThrowError, ThrowErrorData: an error that was caught before, or came from a parallel worker */
	USPAN_POSTGRESQL_FAILED = 6,   /* PortalErrorCleanup: an error that nothing caught */
	USPAN_POSTGRESQL_EXIT = 7,     /* proc_exit */
	USPAN_POSTGRESQL_RENAMED = 8,  /* pgstat_report_appname: the application has another name */
};

/* The record's pid is the postmaster's, which is the service. Its tid is the backend's pid. */
enum uspan_postgresql_field {
	USPAN_POSTGRESQL_DATABASE = 0,
	USPAN_POSTGRESQL_USER = 1,
	USPAN_POSTGRESQL_APPLICATION = 2,
	USPAN_POSTGRESQL_STATEMENT = 3,
	USPAN_POSTGRESQL_PEER = 4,     /* struct uspan_node_peer */
	USPAN_POSTGRESQL_SQLSTATE = 5, /* a number, packed as in PostgreSQL's MAKE_SQLSTATE; 0: it went well; or */
};

#define USPAN_POSTGRESQL_UNKNOWN_STATE 0x40000000 /* it failed with an unknown SQLSTATE */

/* Arguments of statement__status: its own, and behind them variables of the program, as the agent adds them to its specification. */
enum uspan_postgresql_argument {
	USPAN_POSTGRESQL_TEXT = 0,
	USPAN_POSTGRESQL_MY_PROC_PORT = 1,     /* Port *MyProcPort: NULL in processes without a client */
	USPAN_POSTGRESQL_APPLICATION_NAME = 2, /* char *application_name */
};

/* Configuration of an attachment: offsets of fields in bytes. USPAN_FIELD_ABSENT: unknown. */
struct uspan_postgresql_config {
	struct uspan_probe_head probe;
	__u16 port_database_name; /* Port.database_name; Port.user_name follows it */
	__u16 port_raddr;         /* Port.raddr, which begins with a sockaddr_storage */
	__u16 error_code;         /* ErrorData.sqlerrcode */
	__u16 reserved;
};

#define USPAN_POSTGRESQL_NAME_BYTES 63 /* NAMEDATALEN without its NUL */

/*
 * What a session keeps in uspan_open_span.own. A backend is one thread that serves one client. Its entry stays until it exits, with the
 * client at the beginning of the fields. `open` says how often the statement was reported: once in the simple protocol, once each for
 * Parse, Bind and Execute in the extended one.
 */
struct uspan_postgresql_session {
	__u64 process_started;   /* task_struct.start_time, because a pid can be reused */
	__u64 executed_ktime_ns; /* when the statement was last executed; 0: not yet */
	__u64 text;              /* where the statement is, as last reported */
	__u64 read_text;         /* where it was when it was read */
	__u64 first_trace;       /* trace_key() of what was reported first, if that was read before another text */
	__u64 application_name;  /* what the variable pointed to when its text was read */
	__u64 application_ktime_ns; /* when the variable was last looked at; 0: look again */
	__u32 sqlstate;          /* of the last error raised since it began */
	__u32 service_pid;       /* the postmaster, unless only the backend itself is a target */
	__u16 client_bytes;      /* of the fields that never change */
	__u16 kept_bytes;        /* and with the application's name */
	__u32 next_prepared;     /* counts up: what is put in `prepared` replaces the oldest */
	/* Which traces statements named when they were prepared, until they are executed: trace_key() */
	__u64 prepared[4];
};

/* A statement that is too long for the fields, between its execution and its end. */
struct uspan_postgresql_text {
	__u32 open; /* 0: nothing that could be lost begins here */
	__u8 bytes[USPAN_STATEMENT_MAX_BYTES + 68]; /* with room to search its end */
};

#endif
