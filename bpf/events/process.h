/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: what bpf/process.bpf.c tells of processes. */
#ifndef USPAN_EVENTS_PROCESS_H
#define USPAN_EVENTS_PROCESS_H

/* The longest path of a program that an event has. */
#define USPAN_PROGRAM_PATH_BYTES 512
/* Room for one more name. */
#define USPAN_FILE_NAME_BYTES 256

/* The exec, exit and listen of a process. Only an exec has the path. */
struct uspan_process_event {
	struct uspan_event_head head;
	__u32 parent;     /* pid of the parent, if it is an exec */
	__u16 port;       /* TCP port, if it is a listen */
	__u16 path_bytes; /* 0: the path is too long */
	/* Of the program: the names of its path, the last one first, each with a NUL. */
	__u8 path[USPAN_PROGRAM_PATH_BYTES + USPAN_FILE_NAME_BYTES];
};

#define USPAN_PROCESS_EVENT_HEAD_BYTES 32 /* of struct uspan_process_event without its path */

#endif
