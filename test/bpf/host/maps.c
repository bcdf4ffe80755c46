// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The maps of the programs, what replay.c has to know of their contract, and a hit's registers. */
#include "node/node_pg.bpf.c"

void host_map(void *map, const char *name, __u32 key_bytes, __u32 value_bytes, __u32 entries, int is_array);

#define ENTRIES(map) (sizeof(*(map).max_entries) / sizeof(int))
#define MAP(map) host_map(&map, #map, sizeof(*(map).key), sizeof(*(map).value), ENTRIES(map), 0)
#define ARRAY(map) host_map(&map, #map, sizeof(*(map).key), sizeof(*(map).value), ENTRIES(map), 1)

OPEN_SPANS(node_http_client_in_flight);

#define AT(type, member) __builtin_offsetof(struct type, member)

const __u32 head_bytes = sizeof(struct uspan_span_head);
const __u32 head_kind_at = AT(uspan_span_head, head.kind);
const __u32 head_flags_at = AT(uspan_span_head, span_flags);
const __u32 config_bytes = sizeof(struct uspan_node_config);
const __u32 config_probes_at = AT(uspan_node_config, probes);
const __u32 config_stream_base_at = AT(uspan_node_config, stream_base);
const __u32 config_max_statement_at = AT(uspan_node_config, probe.max_statement_bytes);
const __u32 config_max_target_at = AT(uspan_node_config, probe.max_target_bytes);
const __u32 counters_end = USPAN_COUNTERS;

int node_core(struct pt_regs *ctx);
int node_http_client(struct pt_regs *ctx);

void host_hit(__u64 first, __u64 second, __u64 third)
{
	struct pt_regs registers = { .di = first, .si = second, .dx = third };

	node_core(&registers);
}

int host_tail_call(void *ctx, __u32 role)
{
	if (role == USPAN_NODE_ROLE_PG)
		node_pg(ctx);
	else if (role == USPAN_NODE_ROLE_CLIENT)
		node_http_client(ctx);
	else
		return 0;
	return 1;
}

void host_maps(void)
{
	ARRAY(node_configs);
	ARRAY(node_scratch);
	ARRAY(node_roles);
	ARRAY(counters);
	ARRAY(hits);
	ARRAY(blank_span);
	ARRAY(open_span_entries);
	ARRAY(open_span_swept);
	ARRAY(large_buffers);
	MAP(targets);
	MAP(node_connections);
	MAP(node_long_fields);
	MAP(node_pg_in_flight);
	MAP(node_pg_connections);
	MAP(node_statements);
	MAP(node_http_client_in_flight);
}
