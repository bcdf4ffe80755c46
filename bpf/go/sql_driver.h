/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which database system an operation of Go's database/sql is for, by the types of its interfaces. */
#ifndef USPAN_GO_SQL_DRIVER_H
#define USPAN_GO_SQL_DRIVER_H

#include "go/sql_hit.h"
#include "go/value.h"

/* The system of an interface's type. A program has a few of them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct uspan_sql_itab_key);
	__type(value, __u32);
} go_sql_systems SEC(".maps");

/* enum uspan_sql_system of an interface's type. */
static __always_inline __u32 system_of_itab(const struct hit *hit, __u64 itab)
{
	struct uspan_sql_itab_key key = { .itab = itab, .pid = hit->key.pid, .probe_id = hit->site.probe_id };
	__u32 *known = bpf_map_lookup_elem(&go_sql_systems, &key), system = USPAN_SQL_SYSTEM_OTHER, hash;

	if (known)
		return *known;
	hash = go_type_hash(itab);
	if (!hash)
		return USPAN_SQL_SYSTEM_OTHER;
	for (__u32 i = 0; i < USPAN_SQL_DRIVER_TYPES; i++)
		if (hit->config->driver_types[i].type_hash == hash)
			system = hit->config->driver_types[i].system;
	bpf_map_update_elem(&go_sql_systems, &key, &system, BPF_ANY);
	return system;
}

/* The system of a *sql.DB: by its connector, or by the driver behind the connector. */
static __always_inline __u32 system_of(const struct hit *hit, __u64 db)
{
	struct go_interface connector = {};
	__u32 system;

	if (!db || bpf_probe_read_user(&connector, sizeof(connector), (void *)(db + hit->config->db_connector)))
		return USPAN_SQL_SYSTEM_OTHER;
	system = system_of_itab(hit, connector.type);
	if (system == USPAN_SQL_SYSTEM_BY_DSN)
		system = system_of_itab(hit, go_word(connector.data + hit->config->dsn_driver));
	return system == USPAN_SQL_SYSTEM_BY_DSN ? USPAN_SQL_SYSTEM_OTHER : system;
}

#endif
