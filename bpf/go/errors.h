/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a Go error is: its dynamic type and those of the errors that it wraps, as far as they are known, and the name of the first unknown
 * one. All libraries use this, so that an error has the same name everywhere.
 */
#ifndef USPAN_GO_ERRORS_H
#define USPAN_GO_ERRORS_H

#include "go/value.h"
#include "span/fields.h"

#define GO_ERROR_DEPTH 8
#define MAX_ERROR_MESSAGE_BYTES 96
#define MAX_ERROR_TYPE_BYTES 128
#define MAX_ERROR_STATUS_BYTES 16

struct go_error_walk {
	struct go_interface at;
	__u64 wrapper;              /* out: itab of the outermost error of a type of the program's own, which wraps another; 0: none */
	struct uspan_text_ref text; /* out: what is read of a known type, as a text */
	__u64 number;               /* out: or as a number */
	__u16 known;                /* out: 1 + index of the innermost known type; 0: none */
	__u16 reads;                /* out: of that type */
	__u32 unknown;              /* out: not 0: `at` is of a type that is not known */
};

/* One step inwards, into the field that the Unwrap() of a type of the program's own returns. Global, as below. */
__noinline int enter_wrapper(struct go_error_walk *walk, const struct uspan_go_binary *binary, __u32 hash)
{
	struct go_interface inner = {};
	__u32 count;

	if (!walk || !binary)
		return 0;
	count = binary->wrapper_count;
	for (__u32 i = 0; i < USPAN_GO_ERROR_WRAPPERS; i++) {
		if (i >= count)
			return 0;
		if (binary->wrappers[i].type_hash != hash)
			continue;
		if (bpf_probe_read_user(&inner, sizeof(inner), (void *)(walk->at.data + binary->wrappers[i].inner)) || !inner.type)
			return 0;
		if (!walk->wrapper)
			walk->wrapper = walk->at.type;
		walk->at = inner;
		return 1;
	}
	return 0;
}

/* One step inwards. Global, so that the verifier walks it once. Returns whether there is a next one. */
__noinline int enter_error(struct go_error_walk *walk, const struct uspan_go_binary *binary)
{
	__u64 data, number = 0;
	__u32 hash;

	if (!walk || !binary)
		return 0;
	data = walk->at.data;
	hash = go_type_hash(walk->at.type);
	if (!hash)
		return 0;
	for (__u32 i = 0; i < USPAN_GO_ERRORS; i++) {
		const struct uspan_go_error *known = &binary->errors[i];

		if (known->type_hash != hash)
			continue;
		walk->known = 1 + i;
		walk->reads = known->reads;
		switch (known->reads) {
		case USPAN_GO_ERROR_READS_TEXT:
		case USPAN_GO_ERROR_READS_STATUS:
			bpf_probe_read_user(&walk->text, sizeof(walk->text), (void *)(data + known->at));
			break;
		case USPAN_GO_ERROR_READS_ERRNO:
		case USPAN_GO_ERROR_READS_INT:
			walk->number = go_word(data + known->at);
			break;
		case USPAN_GO_ERROR_READS_U16:
			bpf_probe_read_user(&number, 2, (void *)(data + known->at));
			walk->number = number;
			break;
		}
		return known->inner != USPAN_FIELD_ABSENT &&
		       bpf_probe_read_user(&walk->at, sizeof(walk->at), (void *)(data + known->inner)) == 0 && walk->at.type;
	}
	if (enter_wrapper(walk, binary, hash))
		return 1;
	walk->unknown = 1;
	return 0;
}

static __always_inline void find_error(struct go_error_walk *walk, const struct uspan_go_binary *binary)
{
	for (__u32 i = 0; i < GO_ERROR_DEPTH; i++)
		if (!enter_error(walk, binary))
			break;
}

/*
 * The name of an interface's type, such as `*pq.Error`. internal/abi: ITab.Type is its second word; Type.TFlag is at 20 and Type.Str at 40;
 * a name is flags, a varint length and the bytes. `base` is the load address of the program minus its link-time address.
 */
static __always_inline struct uspan_text_ref type_name(__u64 itab, __u64 base, const struct uspan_go_binary *binary)
{
	struct uspan_text_ref name = {};
	__u64 type = go_word(itab + 8), at;
	__u8 flags = 0, head[4] = {};
	__s32 offset = 0;

	if (bpf_probe_read_user(&flags, sizeof(flags), (void *)(type + 20)) ||
	    bpf_probe_read_user(&offset, sizeof(offset), (void *)(type + 40)))
		return name;
	at = base + binary->types + offset;
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

/* Puts what find_error() found. */
static __always_inline void put_error(struct uspan_open_span *span, const struct go_error_walk *walk, __u64 base,
				      const struct uspan_go_binary *binary)
{
	span_put_number(span, USPAN_GO_ERROR_KNOWN, walk->known);
	if (walk->wrapper || walk->unknown)
		span_put(span, USPAN_GO_ERROR_TYPE, type_name(walk->wrapper ? walk->wrapper : walk->at.type, base, binary),
			 MAX_ERROR_TYPE_BYTES);
	switch (walk->reads) {
	case USPAN_GO_ERROR_READS_ERRNO:
		span_put_number(span, USPAN_GO_ERROR_ERRNO, walk->number);
		break;
	case USPAN_GO_ERROR_READS_TEXT:
		span_put(span, USPAN_GO_ERROR_MESSAGE, walk->text, MAX_ERROR_MESSAGE_BYTES);
		break;
	case USPAN_GO_ERROR_READS_STATUS:
		span_put(span, USPAN_GO_ERROR_STATUS, walk->text, MAX_ERROR_STATUS_BYTES);
		break;
	case USPAN_GO_ERROR_READS_INT:
	case USPAN_GO_ERROR_READS_U16:
		span_put_number(span, USPAN_GO_ERROR_STATUS_NUMBER, walk->number);
		break;
	}
}

#endif
