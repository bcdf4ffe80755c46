/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: spans of PostgreSQL's own statements, by its USDT probes. */
#ifndef USPAN_EVENTS_POSTGRESQL_H
#define USPAN_EVENTS_POSTGRESQL_H

enum uspan_postgresql_moment {
	USPAN_POSTGRESQL_STATUS = 0,   /* USDT statement__status: a statement is reported, or (NULL) the session is idle */
	USPAN_POSTGRESQL_EXECUTED = 1, /* USDT query__execute__done */
	USPAN_POSTGRESQL_ERROR = 2,    /* errstart_cold: an error is raised */
	USPAN_POSTGRESQL_CODE = 3,     /* errcode: the SQLSTATE of what is raised */
	USPAN_POSTGRESQL_ERRNO = 4,    /* errcode_for_file_access and its like: a SQLSTATE that only errno tells */
	USPAN_POSTGRESQL_RETHROWN = 5, /* ReThrowError, ThrowErrorData: an error caught before, or in a parallel worker */
	USPAN_POSTGRESQL_FAILED = 6,   /* PortalErrorCleanup: an error that nobody caught */
	USPAN_POSTGRESQL_EXIT = 7,     /* proc_exit */
};

/* Texts of a span, one after another in this order; the statement begins at the next multiple of 4. */
enum uspan_postgresql_text {
	USPAN_POSTGRESQL_DATABASE = 0,
	USPAN_POSTGRESQL_USER = 1,
	USPAN_POSTGRESQL_APPLICATION = 2,
	USPAN_POSTGRESQL_STATEMENT = 3,
	USPAN_POSTGRESQL_TEXTS = 4,
};

struct uspan_postgresql_event {
	struct uspan_span_head span; /* pid: the postmaster's, whose service this is; tid: the backend's pid */
	__u32 sqlstate;              /* packed as in PostgreSQL's MAKE_SQLSTATE; 0: not known */
	__u32 failed;
	__u16 text_len[4];           /* by enum uspan_postgresql_text */
	__u16 peer_family;           /* AF_INET, AF_INET6; anything else: no address */
	__u8 peer_port[2];           /* network order */
	__u8 peer_address[16];
	__u32 reserved;
	/* then the texts */
};

/* Arguments of statement__status: its own, and behind it variables of the program, as the agent adds them to its specification. */
enum uspan_postgresql_argument {
	USPAN_POSTGRESQL_TEXT = 0,
	USPAN_POSTGRESQL_MY_PROC_PORT = 1,     /* Port *MyProcPort: NULL in processes that serve no client */
	USPAN_POSTGRESQL_APPLICATION_NAME = 2, /* char *application_name */
};

/* Per attached binary (index: probe id): offsets of fields in bytes, USPAN_FIELD_ABSENT: not known. */
struct uspan_postgresql_config {
	struct uspan_probe_head probe;
	__u16 port_database_name; /* Port.database_name; Port.user_name follows it */
	__u16 port_raddr;         /* Port.raddr, which begins with a sockaddr_storage */
	__u16 error_code;         /* ErrorData.sqlerrcode */
	__u16 reserved;
};

#define USPAN_POSTGRESQL_NAME_BYTES 64 /* NAMEDATALEN: 63 and the NUL */
#define USPAN_POSTGRESQL_NAMES_BYTES 256 /* room for all three; a power of two */
#define USPAN_POSTGRESQL_BACKENDS 4096 /* sessions at a time */

/*
 * A session. A backend is one thread that serves one client, so the entry is also its scratch memory: per-CPU scratch is not safe in a
 * uprobe program, which can be preempted by another task that runs the same program on the same CPU.
 */
struct uspan_postgresql_backend {
	__u64 process_started;   /* task_struct.start_time: pids come again */
	__u64 executed_ktime_ns; /* when the statement was last executed; 0: not yet */
	__u64 application_name;  /* what the variable pointed to when its text was read */
	__u32 reports;           /* of the statement since it began: one in the simple protocol, one each for Parse, Bind and Execute */
	__u32 sqlstate;          /* of the last error raised since it began */
	__u32 service_pid;       /* the postmaster, unless only the backend itself is a target */
	__u32 names_len;
	struct uspan_postgresql_event event;
	__u8 text[USPAN_POSTGRESQL_NAMES_BYTES + USPAN_STATEMENT_MAX_BYTES + 128];
};

#endif
