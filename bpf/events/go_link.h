/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: which request a call of a Go program belongs to. go/link.h uses it. */
#ifndef USPAN_EVENTS_GO_LINK_H
#define USPAN_EVENTS_GO_LINK_H

#define USPAN_GO_LINK_PACKAGES 16
#define USPAN_GO_LINK_WRAPPERS 64

/* Functions of a package lie side by side in the program. Link-time addresses. Both 0: unused. */
struct uspan_go_text_range {
	__u64 start;
	__u64 end;
};

/* A type that is a context.Context but does not begin with its parent. Offsets are in bytes. */
struct uspan_go_context_wrapper {
	__u32 type_hash;  /* internal/abi.Type.Hash; 0: unused */
	__u16 struct_ptr; /* where the pointer to the struct that has the parent is; USPAN_FIELD_ABSENT: the wrapper itself has it */
	__u16 parent;     /* the parent, an interface */
};

/* What finds the request that a call belongs to. Part of struct uspan_go_binary. */
struct uspan_go_link_config {
	struct uspan_go_text_range runtime_packages[USPAN_GO_LINK_PACKAGES]; /* packages whose goroutines work for all requests */
	struct uspan_go_text_range timeout_handler; /* except this one: http.TimeoutHandler's runs a handler */
	struct uspan_go_context_wrapper wrappers[USPAN_GO_LINK_WRAPPERS];
	__u16 g_goid;        /* fields of runtime.g */
	__u16 g_parent_goid; /* Go 1.21 and newer */
	__u16 g_startpc;
	__u16 wrapper_count;
	__u16 cancel_ctx_err;  /* context.cancelCtx.err: its first word is not zero once it is cancelled */
	__u16 reserved;
	__u32 cancel_ctx_hash; /* internal/abi.Type.Hash of *context.cancelCtx */
};

struct uspan_go_connection_key {
	__u64 context; /* *cancelCtx of the connection */
	__u32 pid;
	__u32 reserved;
};

struct uspan_go_connection {
	__u64 goroutine; /* that serves it */
	__u64 goid;      /* its id then */
};

struct uspan_go_newest {
	__u64 now; /* so far */
	__u64 goid[2];
	__u64 ktime_ns[2]; /* the older first */
};

struct uspan_go_goroutine_key {
	__u64 goid;
	__u32 pid;
	__u32 reserved;
};

#endif
