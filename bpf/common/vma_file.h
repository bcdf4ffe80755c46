/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the iterator of vma.bpf.c writes for each executable mapping of a file. contract.bpf.c anchors it like event.h. */
#ifndef USPAN_VMA_FILE_H
#define USPAN_VMA_FILE_H

#include "common/vmlinux.h"

struct uspan_vma_file {
	__u64 start;
	__u64 end;
	__u64 offset_pages;
	__u64 ino; /* of the real file, underneath an overlayfs */
	__u32 dev; /* of that inode's file system, in the kernel's own encoding: major << 20 | minor */
	__u32 pid;
};

#endif
