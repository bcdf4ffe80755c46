/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Reading memory of the process. Programs that may sleep (USPAN_SLEEPABLE) fault a page in. Others find it in memory, or fail. All leave
 * zeros behind when they fail.
 */
#ifndef USPAN_USER_MEMORY_H
#define USPAN_USER_MEMORY_H

#include "common/vmlinux.h"
#include <bpf/bpf_helpers.h>

#ifdef USPAN_SLEEPABLE
/* Linux 6.12 and newer. */
extern int bpf_copy_from_user_str(void *dst, __u32 dst__sz, const void *unsafe_ptr__ign, __u64 flags) __ksym;
#endif

static __always_inline long read_user(void *to, __u32 bytes, __u64 from)
{
#ifdef USPAN_SLEEPABLE
	return bpf_copy_from_user(to, bytes, (void *)from);
#else
	return bpf_probe_read_user(to, bytes, (void *)from);
#endif
}

/*
 * Up to the NUL. Returns the bytes read, with the NUL, or a negative error. If there is no NUL within, it returns `size`, and the last byte
 * is a NUL too.
 */
static __always_inline long read_user_string(void *to, __u32 size, __u64 from)
{
#ifdef USPAN_SLEEPABLE
	return bpf_copy_from_user_str(to, size, (void *)from, 0);
#else
	long bytes = bpf_probe_read_user_str(to, size, (void *)from);

	/* Older kernels, 6.1 among them, answer 0 for an empty string: strncpy_from_user_nofault() left out its NUL. */
	return bytes == 0 ? 1 : bytes;
#endif
}

#endif
