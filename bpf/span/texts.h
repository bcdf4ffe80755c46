/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Texts of a span: kept as pointer and length between its start and its end, and copied behind the event at the end, one after
 * another. `text_len`, `cut_mask` and `unreadable_mask` are the event's own; a bit of a mask is a text's index.
 */
#ifndef USPAN_TEXTS_H
#define USPAN_TEXTS_H

#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_helpers.h>

/* Sets text_len and cut_mask; returns the bytes all texts need. `max_bytes` gives the most that is kept of a text. */
static __always_inline __u32 measure_texts(const struct uspan_text_ref *text, __u32 count, __u32 (*max_bytes)(__u32 text),
					   __u16 *text_len, __u8 *cut_mask)
{
	__u32 total = 0;

	*cut_mask = 0;
	for (__u32 i = 0; i < count; i++) {
		__u64 len = text[i].len;
		__u32 max = max_bytes(i);

		if (len > max) {
			len = max;
			*cut_mask |= 1 << i;
		}
		text_len[i] = len;
		total += len;
	}
	return total;
}

/*
 * Copies texts `first` to `count` to `to` + `offset`; returns the offset behind the last. `mask` is a power of two minus one; both
 * offset and length stay below it, and `to` has twice the room, so that the verifier can follow.
 */
static __always_inline __u32 copy_texts(const struct uspan_text_ref *text, __u32 first, __u32 count, __u16 *text_len,
					__u8 *unreadable_mask, __u8 *to, __u32 offset, __u32 mask)
{
	for (__u32 i = 0; i < count; i++) {
		__u32 len = text_len[i];

		if (i < first || len == 0)
			continue;
		if (bpf_probe_read_user(to + (offset & mask), len & mask, (void *)text[i].ptr)) {
			text_len[i] = 0;
			*unreadable_mask |= 1 << i;
			continue;
		}
		offset += len;
	}
	return offset;
}

#endif
