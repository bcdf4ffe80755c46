// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Which processes come and go, and which begin to listen, so that discovery need not poll /proc. There is one record (struct
 * uspan_process_event) for each exec, for each process that ended, and for each listen(). These are raw tracepoints, which need no tracefs
 * mount. They are rare, so each record wakes the agent.
 */
#include "common/vmlinux.h"
#include "event.h"
#include "span/targets.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} process_events SEC(".maps");

/* One slot: records that found the ring full. The slow scan of /proc makes up for them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} process_counters SEC(".maps");

/* Processes whose probes are theirs alone, so that what they fork needs its own. Key: pid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} fork_parents SEC(".maps");

/* include/linux/sched.h: set in every new task, and cleared in the one that starts a program. */
#define PF_FORKNOEXEC 0x00000040

static __always_inline void count_lost(void)
{
	__u32 slot = 0;
	__u64 *lost = bpf_map_lookup_elem(&process_counters, &slot);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

/* A record of a process, to be submitted. `bytes` is a constant. 0: the ring is full, which is counted. */
static __always_inline struct uspan_process_event *reserve(__u16 kind, __u32 bytes, __u64 id)
{
	struct uspan_process_event *event = bpf_ringbuf_reserve(&process_events, bytes, 0);

	if (!event) {
		count_lost();
		return 0;
	}
	event->head.ktime_ns = bpf_ktime_get_ns();
	event->head.pid = id >> 32;
	event->head.tid = (__u32)id;
	event->head.len = bytes;
	event->head.kind = kind;
	event->head.probe_id = 0;
	event->parent = 0;
	event->port = 0;
	event->path_bytes = 0;
	return event;
}

#define MAX_NAMES 32 /* of a path, and mounts on the way */

/* Puts one name at byte `at` of the path. Returns its bytes, or 0. Global, so that the verifier walks it once. */
__noinline int put_name(struct uspan_process_event *event, __u64 dentry, __u32 at)
{
	long bytes;

	if (!event || at >= USPAN_PROGRAM_PATH_BYTES)
		return 0;
	bytes = bpf_probe_read_kernel_str(event->path + (at & (USPAN_PROGRAM_PATH_BYTES - 1)), USPAN_FILE_NAME_BYTES,
					  BPF_CORE_READ((struct dentry *)dentry, d_name.name));
	return bytes < 0 ? 0 : bytes;
}

/* Puts the names of a file's path, as the root of its mount namespace sees it. Returns their bytes, or 0 if they are too long or too many. */
static __always_inline __u32 put_path(struct uspan_process_event *event, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
	__u32 at = 0;

	for (int names = 0; names < MAX_NAMES; names++) {
		__u32 bytes;

		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

			if (parent == mount)
				return at;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = parent;
			continue;
		}
		bytes = put_name(event, (__u64)dentry, at);
		if (bytes == 0)
			return 0;
		at += bytes;
		dentry = BPF_CORE_READ(dentry, d_parent);
	}
	return 0;
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm). It runs in p, which is the only thread by now. */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct uspan_process_event *event = reserve(USPAN_EVENT_PROCESS_EXEC, sizeof(*event), bpf_get_current_pid_tgid());

	if (!event)
		return 0;
	event->parent = BPF_CORE_READ(task, real_parent, tgid);
	event->path_bytes = put_path(event, BPF_CORE_READ(task, mm, exe_file));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/*
 * TP_PROTO(struct task_struct *p, ...). It runs in p, a thread, after do_exit() took it out of signal->live. At zero, no thread is left,
 * leader or not (a leader may end first). Two last threads that end side by side can both see zero, so an exit is reported at least once.
 */
SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct uspan_process_event *event;
	bool is_fork;

	if (BPF_CORE_READ(task, signal, live.counter) != 0)
		return 0;
	/* The agent does not know of every fork. */
	bpf_map_delete_elem(&targets, &pid);
	is_fork = BPF_CORE_READ(task, group_leader, flags) & PF_FORKNOEXEC;
	event = reserve(is_fork ? USPAN_EVENT_FORK_EXIT : USPAN_EVENT_PROCESS_EXIT, USPAN_PROCESS_EVENT_HEAD_BYTES,
			bpf_get_current_pid_tgid());
	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

/*
 * TP_PROTO(struct task_struct *parent, struct task_struct *child). What a target forks is a target from its first instruction: the workers
 * of servers that fork before they serve. If it runs another program later, its exec event lets the agent decide.
 */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	__u32 parent = bpf_get_current_pid_tgid() >> 32;
	__u32 pid = BPF_CORE_READ(child, tgid), one = 1;
	struct uspan_process_event *event;

	/* A thread is of its parent's process. */
	if (pid == parent)
		return 0;
	if (bpf_map_lookup_elem(&targets, &parent))
		bpf_map_update_elem(&targets, &pid, &one, BPF_ANY);
	if (!bpf_map_lookup_elem(&fork_parents, &parent))
		return 0;
	event = reserve(USPAN_EVENT_PROCESS_FORK, USPAN_PROCESS_EVENT_HEAD_BYTES, (__u64)pid << 32 | pid);
	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

#define TCP_LISTEN 10 /* include/net/tcp_states.h */

/* TP_PROTO(const struct sock *sk, const int oldstate, const int newstate). To TCP_LISTEN it runs in the thread that calls listen(). */
SEC("raw_tp/inet_sock_set_state")
int process_listen(struct bpf_raw_tracepoint_args *ctx)
{
	struct uspan_process_event *event;

	if ((__u32)ctx->args[2] != TCP_LISTEN)
		return 0;
	event = reserve(USPAN_EVENT_PROCESS_LISTEN, USPAN_PROCESS_EVENT_HEAD_BYTES, bpf_get_current_pid_tgid());
	if (!event)
		return 0;
	event->port = BPF_CORE_READ((struct sock_common___port *)ctx->args[0], skc_num);
	bpf_ringbuf_submit(event, 0);
	return 0;
}
