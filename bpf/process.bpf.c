// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Which processes come and go, so that discovery need not poll /proc. There is one record (only struct uspan_event_head) for each exec, and
 * for each process that ended. These are raw tracepoints, which need no tracefs mount. They are rare, so each wakes the agent.
 */
#include "common/vmlinux.h"
#include "event.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
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

static __always_inline void submit(__u16 kind, __u64 id)
{
	struct uspan_event_head *event = bpf_ringbuf_reserve(&process_events, sizeof(*event), 0);

	if (!event) {
		count_lost();
		return;
	}
	event->ktime_ns = bpf_ktime_get_ns();
	event->pid = id >> 32;
	event->tid = (__u32)id;
	event->len = sizeof(*event);
	event->kind = kind;
	event->probe_id = 0;
	bpf_ringbuf_submit(event, 0);
}

/* TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm). It runs in p, which is the only thread by now. */
SEC("raw_tp/sched_process_exec")
int process_exec(void *ctx __attribute__((unused)))
{
	submit(USPAN_EVENT_PROCESS_EXEC, bpf_get_current_pid_tgid());
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

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		submit(BPF_CORE_READ(task, group_leader, flags) & PF_FORKNOEXEC ? USPAN_EVENT_FORK_EXIT : USPAN_EVENT_PROCESS_EXIT,
		       bpf_get_current_pid_tgid());
	return 0;
}

/* TP_PROTO(struct task_struct *parent, struct task_struct *child). Attached only while there are such processes. */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx->args[0], *child = (struct task_struct *)ctx->args[1];
	__u32 parent_pid = BPF_CORE_READ(parent, tgid), pid = BPF_CORE_READ(child, tgid);

	/* A thread is of its parent's process. */
	if (pid != parent_pid && bpf_map_lookup_elem(&fork_parents, &parent_pid))
		submit(USPAN_EVENT_PROCESS_FORK, (__u64)pid << 32 | pid);
	return 0;
}
