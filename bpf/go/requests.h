/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Requests that Go's net/http server is handling, by goroutine. There are two other ways to find one: by its connection's context, and by
 * the goroutine's id. go_http.bpf.c writes these maps, and programs of child spans read them. The agent makes each map one for all objects.
 */
#ifndef USPAN_GO_REQUESTS_H
#define USPAN_GO_REQUESTS_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>
#include "span/life.h"

/* Requests of servers. Key: the goroutine that handles it, by the address of its runtime.g. */
OPEN_SPANS(go_http_in_flight);

/* What a request keeps between its start and its end. */
static __always_inline struct uspan_go_request *go_request(struct uspan_open_span *span)
{
	return (struct uspan_go_request *)span->own;
}

/* A connection's context → the goroutine that serves it. Written once per connection. The least used go when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * 16384);
	__type(key, struct uspan_go_connection_key);
	__type(value, struct uspan_go_connection);
} go_connections SEC(".maps");

/* A goroutine's id → the goroutine, for those that serve connections. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * 16384);
	__type(key, struct uspan_go_goroutine_key);
	__type(value, __u64);
} go_goroutines SEC(".maps");

#endif
