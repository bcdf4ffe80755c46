// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Which files a process executes from, by their real (device, inode). For a file on overlayfs, stat(2) and /proc/PID/maps give the device
 * of its mount, so one file that two containers share looks like two. Uprobes attach to the inode underneath, and so does uspan.
 *
 * It runs with the pid as the iterator's parameter if the kernel takes one (6.1), and always with the pid in vma_pid.
 */
#include "common/vmlinux.h"
#include "common/vma_file.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define VM_EXEC 4

/* The one process wanted. 0: all. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} vma_pid SEC(".maps");

SEC("iter/task_vma")
int vma_files(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct uspan_vma_file out = {};
	struct file *file;
	__u32 first = 0, *wanted = bpf_map_lookup_elem(&vma_pid, &first);

	/* Threads share their mappings, so the leader is enough. */
	if (!task || !vma || task->pid != task->tgid)
		return 0;
	if (wanted && *wanted && *wanted != (__u32)task->tgid)
		return 0;
	file = vma->vm_file;
	if (!file || !(vma->vm_flags & VM_EXEC))
		return 0;
	out.start = vma->vm_start;
	out.end = vma->vm_end;
	out.offset_pages = vma->vm_pgoff;
	out.ino = BPF_CORE_READ(file, f_inode, i_ino);
	out.dev = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	out.pid = task->tgid;
	/* Fails if the buffer is full. The kernel then calls again with a larger one. */
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}
