/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Part of event.h: what programs need to know of a Go binary, for any of its libraries. */
#ifndef USPAN_EVENTS_GO_BINARY_H
#define USPAN_EVENTS_GO_BINARY_H

#include "events/go_error.h"
#include "events/go_link.h"
#include "events/go_map.h"

#define USPAN_GO_BINARIES 512 /* attached at a time */

/* An entry of go_binaries. Index: uspan_probe_head.binary. Offsets are in bytes. USPAN_FIELD_ABSENT: no such field. */
struct uspan_go_binary {
	struct uspan_go_link_config link;
	struct uspan_go_map_layout map; /* of map[string][]string */
	__u64 types;                    /* link-time address of the type descriptors */
	__u32 timer_ctx_hash;           /* internal/abi.Type.Hash of *context.timerCtx, which begins with a cancelCtx */
	__u16 cancel_ctx_parent;        /* data word of context.cancelCtx.Context, the parent that it embeds */
	__u16 wrapper_count;            /* of `wrappers` */
	struct uspan_go_error errors[USPAN_GO_ERRORS];
	struct uspan_go_error_wrapper wrappers[USPAN_GO_ERROR_WRAPPERS];
};

#endif
