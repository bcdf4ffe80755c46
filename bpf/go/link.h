/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The parent of a call of a Go program: the request that the program makes it for.
 *
 *   1. The call's context. Every context of the standard library begins with its parent, so the chain can be walked up to the context of
 *      a request, which is the one right below a connection's. If it leads to a request that has ended, there is no parent.
 *   2. The goroutine, if it is handling a request.
 *   3. The goroutine that started this one, if it is handling a request, but see started_for().
 *
 * No parent is better than a wrong one. A call that is uncertain begins a trace of its own.
 */
#ifndef USPAN_GO_LINK_H
#define USPAN_GO_LINK_H

#include "span/config.h"
#include "go/binary.h"
#include "go/newest.h"
#include "go/requests.h"
#include "go/value.h"
#include "common/regs.h"

#define GO_CONTEXT_STEPS 12 /* with more, the stacks of a program and request_of_walk() are too large together for Linux 6.1 */

/* A walk up the parents of a context. */
struct go_context_walk {
	struct go_interface at;
	__u64 seen[GO_CONTEXT_STEPS]; /* data words, the call's own context first */
	__u64 until;                  /* data word at which to stop; 0: at the top */
	__u64 goroutine;              /* what request_of_walk() found: who handles the request, */
	__u64 request_ctx;            /* and what tells it from the next */
	__u32 steps;
	__u32 pid;
};

/*
 * Index of a type among the wrappers, or USPAN_GO_LINK_WRAPPERS. Global, so that the verifier walks it once and not at every step of a
 * walk.
 */
__noinline int find_wrapper(const struct uspan_go_link_config *link, __u32 type_hash)
{
	if (!link)
		return USPAN_GO_LINK_WRAPPERS;
	for (__u32 i = 0; i < USPAN_GO_LINK_WRAPPERS && i < link->wrapper_count; i++)
		if (link->wrappers[i].type_hash == type_hash)
			return i;
	return USPAN_GO_LINK_WRAPPERS;
}

/* The parent of walk->at, which is a wrapper such as *gin.Context. False if it is not one. */
static __always_inline bool unwrap(struct go_context_walk *walk, const struct uspan_go_link_config *link)
{
	const struct uspan_go_context_wrapper *wrapper;
	__u64 holder = walk->at.data, index;
	__u32 hash = go_type_hash(walk->at.type);

	if (!hash)
		return false;
	index = (__u32)find_wrapper(link, hash);
	barrier_var(index);
	if (index >= USPAN_GO_LINK_WRAPPERS)
		return false;
	wrapper = &link->wrappers[index];
	if (wrapper->struct_ptr != USPAN_FIELD_ABSENT)
		holder = go_word(holder + wrapper->struct_ptr);
	return holder && bpf_probe_read_user(&walk->at, sizeof(walk->at), (void *)(holder + wrapper->parent)) == 0;
}

/*
 * Walks from walk->at to walk->until or to the top. `wrapped` looks at each type, which doubles the cost, and helps only in programs with
 * wrappers. Global, so that the verifier walks it once.
 */
__noinline int walk_context(struct go_context_walk *walk, const struct uspan_go_link_config *link, __u32 wrapped)
{
	if (!walk || !link)
		return 0;
	walk->steps = 0;
	for (__u32 i = 0; i < GO_CONTEXT_STEPS; i++) {
		if (!go_pointer(walk->at.data) || !go_pointer(walk->at.type))
			break;
		walk->seen[i] = walk->at.data;
		walk->steps = i + 1;
		if (walk->at.data == walk->until)
			break;
		if (wrapped && unwrap(walk, link))
			continue;
		if (bpf_probe_read_user(&walk->at, sizeof(walk->at), (void *)walk->at.data))
			break;
	}
	return 0;
}

/* A request that a call belongs to. It can end meanwhile, in another thread, and its entry can begin the next one. */
struct go_parent {
	struct uspan_open_span *request; /* 0: none that is certain */
	__u64 request_ctx;               /* what tells that request from the next */
};

static __always_inline struct go_parent parent_of(struct uspan_open_span *request)
{
	struct go_parent parent = { .request = request };

	if (!request)
		return parent;
	parent.request_ctx = *(volatile __u64 *)&go_request(request)->request_ctx;
	keep_order(&request->open);
	/* If a request has only just begun, some of it is not written yet. */
	if (!*(const volatile __u32 *)&request->open)
		parent.request = 0;
	return parent;
}

/* What a walk found. */
enum go_context_end {
	GO_CONTEXT_UNKNOWN = 0, /* not a request's context: the call has none, or one that does not descend from any */
	GO_CONTEXT_REQUEST = 1, /* a request in flight */
	GO_CONTEXT_OVER = 2,    /* a request that has ended */
};

/*
 * Whether `context`, the parent of `child`, still belongs to a connection. When a connection has ended, its memory can be reused for
 * anything. One goroutine serves a connection as long as it lives, and cancels its context when it ends. Global, so that the verifier walks
 * it once.
 */
__noinline int is_of_connection(const struct uspan_go_connection *connection, __u64 context, __u64 child,
				const struct uspan_go_link_config *link)
{
	if (!connection || !link)
		return 0;
	if (link->g_goid == USPAN_FIELD_ABSENT || link->cancel_ctx_err == USPAN_FIELD_ABSENT)
		return 1;
	return go_type_hash(go_word(child)) == link->cancel_ctx_hash &&
	       (go_word(connection->goroutine + link->g_goid) == connection->goid || go_word(context + link->cancel_ctx_err));
}

/* Looks for the connection in the walk. Its request is the step before. Global, like walk_context(). */
__noinline int request_of_walk(struct go_context_walk *walk, const struct uspan_go_link_config *link)
{
	int end = GO_CONTEXT_UNKNOWN;

	if (!walk || !link)
		return end;
	for (__u32 i = 1; i < GO_CONTEXT_STEPS; i++) {
		/* One after the other in the same memory, because the stack is short. */
		union {
			struct uspan_go_connection_key connection;
			struct uspan_open_span_key request;
		} key = { .connection = { .context = walk->seen[i], .pid = walk->pid } };
		struct uspan_go_connection *connection;
		struct uspan_open_span *entry;

		if (i >= walk->steps)
			break;
		connection = bpf_map_lookup_elem(&go_connections, &key.connection);
		if (!connection)
			continue;
		key.request.owner = connection->goroutine;
		entry = bpf_map_lookup_elem(&go_http_in_flight, &key.request);
		if (entry && entry->open && go_request(entry)->request_ctx == walk->seen[i - 1]) {
			walk->goroutine = key.request.owner;
			walk->request_ctx = walk->seen[i - 1];
			return GO_CONTEXT_REQUEST;
		}
		if (is_of_connection(connection, walk->seen[i], walk->seen[i - 1], link))
			end = GO_CONTEXT_OVER;
	}
	return end;
}

static __always_inline bool is_within(__u64 pc, const struct uspan_go_text_range *range)
{
	return pc >= range->start && pc < range->end;
}

/* Whether the goroutine runs a function of net/http, database/sql or a similar package, and so works for all requests. */
static __always_inline bool works_for_all(__u64 base, __u64 startpc, const struct uspan_go_link_config *link)
{
	__u64 pc = startpc - base;

	if (is_within(pc, &link->timeout_handler))
		return false;
	for (__u32 i = 0; i < USPAN_GO_LINK_PACKAGES; i++)
		if (is_within(pc, &link->runtime_packages[i]))
			return true;
	return false;
}

/*
 * Keeps the request of a goroutine's first call, by its span id. 0: none. Returns the one that is kept. `start`: when the request began. 0:
 * it is certain.
 */
static __always_inline __u64 keep_first(const struct uspan_open_span_key *self, const struct uspan_go_link_config *link, __u64 span_id,
					__u64 start)
{
	struct uspan_go_goroutine_key own = { .pid = self->pid, .goid = go_word(self->owner + link->g_goid) };
	__u64 *known = bpf_map_lookup_elem(&go_started_for, &own);

	if (known)
		return *known;
	if (start && is_from_before(&own, start))
		span_id = 0;
	bpf_map_update_elem(&go_started_for, &own, &span_id, BPF_ANY);
	note_goroutine(&own);
	return span_id;
}

/* Whether the request has not ended since, and the copied span id is its own: another one may have begun in its entry. */
static __always_inline bool is_current(const struct go_parent *parent, __u64 span_id)
{
	struct uspan_open_span *request = parent->request;

	keep_order(&request->open);
	return *(const volatile __u32 *)&request->open &&
	       *(const volatile __u64 *)&go_request(request)->request_ctx == parent->request_ctx &&
	       *(const volatile __u64 *)request->head.span_id == span_id;
}

/* 0: there is none, or it has ended. */
static __always_inline __u64 current_span_id(const struct go_parent *parent)
{
	__u64 span_id;

	if (!parent->request)
		return 0;
	span_id = *(const volatile __u64 *)parent->request->head.span_id;
	return is_current(parent, span_id) ? span_id : 0;
}

static __always_inline bool knows_starters(const struct uspan_go_link_config *link)
{
	return link->g_parent_goid != USPAN_FIELD_ABSENT && link->g_goid != USPAN_FIELD_ABSENT && link->g_startpc != USPAN_FIELD_ABSENT;
}

/* What finds a request. It is in memory that the entry lends, because the stack is short. */
struct go_search {
	struct go_context_walk walk;     /* until: the request that the goroutine handles itself; out: the request that is found */
	struct go_interface context;     /* the call's; all zero if it has none */
	struct uspan_open_span_key self; /* the goroutine that makes it */
	__u64 base;                      /* load address of the program minus its link-time address */
};

_Static_assert(sizeof(struct go_search) <= USPAN_RAW_BYTES, "more than an entry lends");

static __always_inline struct go_parent found_request(const struct go_search *search)
{
	struct uspan_open_span_key key = { .owner = search->walk.goroutine, .pid = search->self.pid };
	struct go_parent parent = { .request = bpf_map_lookup_elem(&go_http_in_flight, &key), .request_ctx = search->walk.request_ctx };

	return parent;
}

/* It is the one that the goroutine handles itself. */
static __always_inline int found_own(struct go_search *search)
{
	search->walk.goroutine = search->self.owner;
	search->walk.request_ctx = search->walk.until;
	return GO_CONTEXT_REQUEST;
}

/*
 * The request whose handler started this goroutine. The goroutine may outlive that request while its connection goes on to the next one. So
 * the result of its first call stays.
 */
static __always_inline bool find_starter(struct go_search *search, const struct uspan_go_link_config *link)
{
	struct uspan_go_goroutine_key parent = { .pid = search->self.pid };
	struct uspan_open_span_key key = { .pid = search->self.pid };
	struct uspan_open_span *entry;
	struct go_parent request;
	__u64 *goroutine, span_id;

	if (!knows_starters(link))
		return false;
	parent.goid = go_word(search->self.owner + link->g_parent_goid);
	if (!parent.goid)
		return false;
	goroutine = bpf_map_lookup_elem(&go_goroutines, &parent);
	if (!goroutine)
		return false;
	key.owner = *goroutine;
	/* It may have ended, and its memory may serve another one by now. */
	if (go_word(key.owner + link->g_goid) != parent.goid ||
	    works_for_all(search->base, go_word(search->self.owner + link->g_startpc), link))
		return false;
	entry = bpf_map_lookup_elem(&go_http_in_flight, &key);
	request = parent_of(entry);
	span_id = current_span_id(&request);
	search->walk.goroutine = key.owner;
	search->walk.request_ctx = request.request_ctx;
	return keep_first(&search->self, link, span_id, entry ? entry->head.start_ktime_ns : 0) == span_id && span_id;
}

/* Where the call's context leads: enum go_context_end. */
static __always_inline int find_by_context(struct go_search *search, const struct uspan_go_link_config *link, __u32 wrapped)
{
	struct go_context_walk *walk = &search->walk;

	walk->at = search->context;
	walk_context(walk, link, wrapped);
	return walk->until && walk->at.data == walk->until ? found_own(search) : request_of_walk(walk, link);
}

/* Whether the request is found. Global, so that the verifier walks it once. */
__noinline int find_request(struct go_search *search, const struct uspan_go_link_config *link)
{
	struct go_parent parent = {};
	int end;

	if (!search || !link)
		return 0;
	end = find_by_context(search, link, 0);
	if (end == GO_CONTEXT_UNKNOWN && link->wrapper_count)
		end = find_by_context(search, link, 1);
	if (end == GO_CONTEXT_UNKNOWN)
		return search->walk.until ? found_own(search) : find_starter(search, link);
	/* Its next call may have no context. */
	if (!search->walk.until && knows_starters(link)) {
		if (end == GO_CONTEXT_REQUEST)
			parent = found_request(search);
		keep_first(&search->self, link, current_span_id(&parent), 0);
	}
	return end == GO_CONTEXT_REQUEST;
}

/*
 * The request that goroutine `self` makes a call for. `base` is the load address of the program minus its link-time address. `search` is
 * lent.
 */
static __always_inline struct go_parent find_parent(__u64 base, const struct uspan_open_span_key *self, struct go_interface context,
						     const struct uspan_probe_head *probe, struct go_search *search)
{
	struct go_parent parent = parent_of(bpf_map_lookup_elem(&go_http_in_flight, self));
	const struct uspan_go_binary *binary;

	/* Most calls have the handler's own context, which needs no search. */
	if (parent.request && context.data == parent.request_ctx)
		return parent;
	search->walk.until = parent.request ? parent.request_ctx : 0;
	search->walk.pid = self->pid;
	search->context = context;
	search->self = *self;
	search->base = base;
	binary = go_binary(probe);
	if (binary && find_request(search, &binary->link))
		return found_request(search);
	parent.request = 0;
	return parent;
}

/* Makes `span` a child of `parent`. False if there is none, or it has ended meanwhile. */
static __always_inline bool adopt(const struct go_parent *parent, struct uspan_span_head *span, bool *sampled)
{
	struct uspan_open_span *request = parent->request;
	__u64 span_id;

	if (!request)
		return false;
	span_id = *(const volatile __u64 *)request->head.span_id;
	__builtin_memcpy(span->trace_id, request->head.trace_id, sizeof(span->trace_id));
	__builtin_memcpy(span->parent_span_id, &span_id, sizeof(span_id));
	span->trace_flags = (request->head.trace_flags & 0xff) | SPAN_FLAG_HAS_IS_REMOTE;
	*sampled = request->sampled;
	/* The next request can have begun in between. */
	return is_current(parent, span_id) && *(const volatile __u64 *)request->head.trace_id == *(__u64 *)span->trace_id;
}

/*
 * Begins `span` as a child of the request that goroutine `self` makes it for. False if no request is certain. It uses the scratch memory of
 * the entry.
 */
static __always_inline bool begin_for_request(struct uspan_open_span *span, __u64 base, const struct uspan_open_span_key *self,
					      struct go_interface context, const struct uspan_probe_head *probe)
{
	struct go_parent parent = find_parent(base, self, context, probe, (struct go_search *)(span->fields + USPAN_SCRATCH_AT));
	bool sampled = false;

	if (!adopt(&parent, &span->head, &sampled))
		return false;
	span_begin_child(span, self->owner, sampled);
	return true;
}

#endif
