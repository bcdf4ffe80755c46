/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Whose database an operation of Go's database/sql is for, and what its error says: by the types of Go's interfaces. */
#ifndef USPAN_GO_SQL_DRIVER_H
#define USPAN_GO_SQL_DRIVER_H

#include "go/link.h"

/* The system that an interface's type is of: a program has a few of them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct uspan_sql_itab_key);
	__type(value, __u32);
} go_sql_systems SEC(".maps");

/*
 * A hit, and what is found for it. Its registers are read once: where a compiler chooses among them by their place in the context, verifiers
 * refuse.
 */
struct hit {
	const struct uspan_go_sql_config *config;
	__u64 argument[9]; /* of the function called, or its results */
	struct uspan_open_span_key key;
	__u64 base; /* load address minus link-time address */
	__u32 probe_id;
	__u32 moment;
};

/* The link-time address of an interface's type, or 0. internal/abi.ITab: Type is the second word. */
static __always_inline __u64 type_of(__u64 itab, __u64 base)
{
	__u64 type = itab ? go_word(itab + 8) : 0;

	return type ? type - base : 0;
}

/* enum uspan_sql_system of an interface's type. */
static __always_inline __u32 system_of_itab(const struct hit *hit, __u64 itab)
{
	struct uspan_sql_itab_key key = { .itab = itab, .pid = hit->key.pid, .probe_id = hit->probe_id };
	__u32 *known = bpf_map_lookup_elem(&go_sql_systems, &key), system = USPAN_SQL_SYSTEM_OTHER;
	__u64 type;

	if (known)
		return *known;
	type = type_of(itab, hit->base);
	if (!type)
		return USPAN_SQL_SYSTEM_OTHER;
	if (type == hit->config->dsn_connector)
		system = USPAN_SQL_SYSTEM_BY_DSN;
	for (__u32 i = 0; i < USPAN_SQL_DRIVER_TYPES; i++)
		if (hit->config->driver_types[i].type == type)
			system = hit->config->driver_types[i].system;
	bpf_map_update_elem(&go_sql_systems, &key, &system, BPF_ANY);
	return system;
}

/* The system of a *sql.DB: by its connector, or by the driver that this was made of. */
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

/* The name of a type, as `*pq.Error`. internal/abi: Type.TFlag, Type.Str; a name is flags, a varint length and the bytes. */
static __always_inline struct uspan_text_ref type_name(const struct hit *hit, __u64 type)
{
	struct uspan_text_ref name = {};
	__u8 flags = 0, head[4] = {};
	__s32 offset = 0;
	__u64 at;

	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)(hit->base + type + 20)) ||
	    bpf_probe_read_user(&offset, sizeof(offset), (void *)(hit->base + type + 40)))
		return name;
	at = hit->base + hit->config->types + offset;
	if (bpf_probe_read_user(head, sizeof(head), (void *)at))
		return name;
	name.ptr = at + 2;
	name.len = head[1] & 0x7f;
	if (head[1] & 0x80) {
		name.ptr++;
		name.len |= (head[2] & 0x7f) << 7;
	}
	/* TFlagExtraStar: the name is shared with the pointer type's. */
	if (flags & 2 && name.len) {
		name.ptr++;
		name.len--;
	}
	return name;
}

/* What the database answered, where the error is one of its driver's. */
static __always_inline void read_status(const struct hit *hit, struct uspan_sql_in_flight *entry, __u64 type)
{
	for (__u32 i = 0; i < USPAN_SQL_ERROR_TYPES; i++) {
		const struct uspan_sql_error_type *error = &hit->config->error_types[i];
		__u64 at = entry->error_data + error->status, number = 0;

		if (!error->type || error->type != type)
			continue;
		if (error->kind == USPAN_SQL_STATUS_STRING)
			bpf_probe_read_user(&entry->text[USPAN_SQL_TEXT_STATUS], sizeof(struct uspan_text_ref), (void *)at);
		else if (error->kind == USPAN_SQL_STATUS_INT)
			number = go_word(at);
		else
			bpf_probe_read_user(&number, 2, (void *)at);
		entry->event.status_number = number;
	}
}

static __always_inline void read_error(const struct hit *hit, struct uspan_sql_in_flight *entry)
{
	__u64 type = type_of(entry->error_itab, hit->base);

	entry->event.failed = 1;
	if (!type)
		return;
	entry->text[USPAN_SQL_TEXT_ERROR_TYPE] = type_name(hit, type);
	/* errors.errorString has one field, the message. */
	if (type == hit->config->error_string)
		bpf_probe_read_user(&entry->text[USPAN_SQL_TEXT_ERROR_MESSAGE], sizeof(struct uspan_text_ref),
				    (void *)entry->error_data);
	read_status(hit, entry, type);
}

#endif
