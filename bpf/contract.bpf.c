// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Never loaded. Puts every type and number of event.h into BTF, from which scripts/gen-layout.ts writes src/probes/layout.gen.ts. Clang
 * emits BTF only for what is used, and knows no macros, so these anchors are needed. The generator says which one is missing.
 */
#include "common/vma_file.h"
#include "common/vmlinux.h"
#include "event.h"

#define STRUCT(name) struct uspan_##name *anchor_##name
#define ENUM(name) enum uspan_##name anchor_##name
#define CONSTANT(name) USPAN_CONSTANT_##name = USPAN_##name

ENUM(event_kind);
STRUCT(event_head);
STRUCT(span_head);
ENUM(span_flag);
ENUM(counter);
ENUM(http_server_moment);
ENUM(sampler);
STRUCT(config);
ENUM(go_map);
STRUCT(go_map_layout);
STRUCT(go_http_config);
ENUM(http_client_field);
ENUM(http_client_moment);
ENUM(go_error_reads);
ENUM(go_error_field);
STRUCT(go_error);
STRUCT(go_error_wrapper);
STRUCT(go_binary);
STRUCT(go_http_client_config);
STRUCT(go_call);
STRUCT(text_ref);
STRUCT(field_head);
ENUM(field_mark);
STRUCT(probe_head);
STRUCT(open_span_key);
STRUCT(late_text);
ENUM(late_from);
STRUCT(open_span);
STRUCT(scratch);
STRUCT(go_request);
ENUM(http_server_field);
ENUM(postgresql_moment);
ENUM(postgresql_field);
ENUM(postgresql_argument);
STRUCT(postgresql_config);
STRUCT(postgresql_session);
STRUCT(postgresql_text);
STRUCT(large);
STRUCT(vma_file);
STRUCT(process_event);
STRUCT(go_text_range);
STRUCT(go_context_wrapper);
STRUCT(go_link_config);
STRUCT(go_connection_key);
STRUCT(go_connection);
STRUCT(go_goroutine_key);
STRUCT(go_newest);
ENUM(sql_moment);
ENUM(sql_connection);
ENUM(sql_system);
ENUM(sql_operation);
ENUM(sql_field);
STRUCT(sql_driver_type);
STRUCT(go_sql_config);
STRUCT(sql_itab_key);
STRUCT(go_operation);

ENUM(usdt_location);
STRUCT(usdt_argument);
STRUCT(usdt_spec);
ENUM(pair_moment);
ENUM(pair_capture_kind);
STRUCT(pair_capture);
STRUCT(pair_config);
STRUCT(pair_frame);

ENUM(node_moment);
ENUM(node_role);
STRUCT(node_config);
STRUCT(node_peer);
STRUCT(node_connection);
ENUM(node_client_field);
ENUM(node_pg_field);
ENUM(node_phase);
ENUM(node_chunk);
ENUM(node_name);
STRUCT(node_queue);
STRUCT(node_head);
STRUCT(node_response);
STRUCT(node_exchange);
STRUCT(node_long);
STRUCT(node_pg);
STRUCT(node_pg_exchange);
ENUM(node_pg_error_at);
STRUCT(node_pg_stream);
STRUCT(node_statement_key);
STRUCT(node_statement);
ENUM(node_sqlite_moment);
ENUM(node_sqlite_field);
STRUCT(node_sqlite_config);

enum uspan_constant {
	CONSTANT(PROGRAM_PATH_BYTES),
	CONSTANT(FILE_NAME_BYTES),
	CONSTANT(PROCESS_EVENT_HEAD_BYTES),
	CONSTANT(POSTGRESQL_NAME_BYTES),
	CONSTANT(POSTGRESQL_UNKNOWN_STATE),
	CONSTANT(GO_BINARIES),
	CONSTANT(GO_ERRORS),
	CONSTANT(GO_ERROR_WRAPPERS),
	CONSTANT(GO_LINK_PACKAGES),
	CONSTANT(GO_LINK_WRAPPERS),
	CONSTANT(COOKIE_MOMENT_BITS),
	CONSTANT(COOKIE_SPEC_SHIFT),
	CONSTANT(MAX_MOMENTS),
	CONSTANT(TARGET_MAX_BYTES),
	CONSTANT(STATEMENT_MAX_BYTES),
	CONSTANT(FIELD_ABSENT),
	CONSTANT(RAW_BYTES),
	CONSTANT(MAX_FIELDS),
	CONSTANT(OWN_BYTES),
	CONSTANT(FIELDS_BYTES),
	CONSTANT(SCRATCH_AT),
	CONSTANT(LATE_TEXTS),
	CONSTANT(SOURCES),
	CONSTANT(LARGE_BYTES),
	CONSTANT(LARGE_EVENT_BYTES),
	CONSTANT(LARGE_BUFFERS),
	CONSTANT(MAX_PROBES),
	CONSTANT(USDT_ARGUMENTS),
	CONSTANT(USDT_SPECS),
	CONSTANT(USDT_NO_REGISTER),
	CONSTANT(USDT_SITE),
	CONSTANT(PAIR_CAPTURES),
	CONSTANT(PAIR_TEXT_MAX_BYTES),
	CONSTANT(PAIR_TEXT_BYTES),
	CONSTANT(PAIR_MAX_DEPTH),
	CONSTANT(NODE_TARGET_BYTES),
	CONSTANT(NODE_HEAD_BYTES),
	CONSTANT(NODE_STATEMENT_BYTES),
	CONSTANT(NODE_DATABASE_BYTES),
	CONSTANT(NODE_LONG_BYTES),
	CONSTANT(NODE_MAX_PIPELINED),
	CONSTANT(NODE_MAX_WAITING),
	CONSTANT(NODE_PROBES),
	CONSTANT(SQL_DRIVER_TYPES),
};
ENUM(constant);
