/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What kind of error a Go error value is: its dynamic type, and that of the errors it wraps, among the types that mean something. */
#ifndef USPAN_GO_ERRORS_H
#define USPAN_GO_ERRORS_H

#include "go/value.h"

#define GO_ERROR_DEPTH 5

struct go_error_walk {
	struct go_interface at;
	struct uspan_text_ref text; /* out: of the error, where that is all it is */
	__u32 errno_number;         /* out */
	__u16 error;                /* out: 1 + index of the innermost known type, or USPAN_FIELD_ABSENT */
	__u16 reads;                /* out: of that type */
};

/* One step inwards. Global, so that the verifier looks at it once. Returns whether there is a next. */
__noinline int enter_error(struct go_error_walk *walk, const struct uspan_go_http_client_config *config)
{
	__u64 data, number = 0;
	__u32 hash;

	if (!walk || !config)
		return 0;
	data = walk->at.data;
	hash = go_type_hash(walk->at.type);
	if (!hash)
		return 0;
	for (__u32 i = 0; i < USPAN_GO_ERRORS; i++) {
		const struct uspan_go_error *known = &config->errors[i];

		if (known->type_hash != hash)
			continue;
		walk->error = 1 + i;
		walk->reads = known->reads;
		if (known->reads == USPAN_GO_ERROR_READS_ERRNO) {
			bpf_probe_read_user(&number, sizeof(number), (void *)data);
			walk->errno_number = number;
		} else if (known->reads == USPAN_GO_ERROR_READS_TEXT) {
			bpf_probe_read_user(&walk->text, sizeof(walk->text), (void *)data);
		}
		return known->inner != USPAN_FIELD_ABSENT &&
		       bpf_probe_read_user(&walk->at, sizeof(walk->at), (void *)(data + known->inner)) == 0 && walk->at.type;
	}
	return 0;
}

static __always_inline void find_error(struct go_error_walk *walk, const struct uspan_go_http_client_config *config)
{
	walk->error = USPAN_FIELD_ABSENT;
	for (__u32 i = 0; i < GO_ERROR_DEPTH; i++)
		if (!enter_error(walk, config))
			break;
}

#endif
