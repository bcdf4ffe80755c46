/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Makes a connection known to the programs of child spans: see go/link.h. */
#ifndef USPAN_GO_REGISTER_H
#define USPAN_GO_REGISTER_H

#include "go/binary.h"
#include "go/headers.h"
#include "go/requests.h"

/*
 * The peer's address is the same string for all requests of a connection. When a connection has ended, its goroutine and the memory of that
 * string can both serve another one, but not before a garbage collection and an accept().
 */
#define MEMORY_REUSED_AFTER_NS 10000

/*
 * Lets child spans find the requests of a connection, by its context and by the goroutine that serves it: see go/link.h. Once per
 * connection. Returns whether this is the connection of the goroutine's last request, which ended at `last_end_ns`.
 */
static __always_inline bool register_connection(struct uspan_open_span *span, const struct uspan_open_span_key *key,
						const struct uspan_go_binary *binary, __u64 peer, __u64 last_end_ns)
{
	struct uspan_go_request *request = go_request(span);
	struct uspan_go_connection served = { .goroutine = key->owner };
	struct uspan_go_connection_key connection = { .pid = key->pid };
	struct uspan_go_goroutine_key goroutine = { .pid = key->pid };
	bool same_peer = peer == request->peer;

	if (same_peer && span->head.start_ktime_ns - last_end_ns < MEMORY_REUSED_AFTER_NS)
		return true;
	if (binary->link.g_goid == USPAN_FIELD_ABSENT)
		return false;
	served.goid = goroutine.goid = read_u64(key->owner + binary->link.g_goid);
	if (!served.goid)
		return false;
	if (same_peer && served.goid == request->goid)
		return true;
	request->goid = served.goid;
	bpf_map_update_elem(&go_goroutines, &goroutine, &key->owner, BPF_ANY);
	if (binary->cancel_ctx_parent == USPAN_FIELD_ABSENT)
		return false;
	connection.context = read_u64(request->request_ctx + binary->cancel_ctx_parent);
	if (connection.context)
		bpf_map_update_elem(&go_connections, &connection, &served, BPF_ANY);
	return false;
}

#endif
