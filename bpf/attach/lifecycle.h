// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Which address spaces are observed: fork, exec. (The end of an mm is in section/sections.h: it
// outlives the process that had it.)
#ifndef VMASCOPE_LIFECYCLE_H
#define VMASCOPE_LIFECYCLE_H

static __always_inline void tell_life(u16 kind, struct task_struct *task, u64 mm, u64 other,
				      u32 other_tgid)
{
	struct scratch *s = scratch();

	if (!s)
		return;
	begin(&s->life.h, kind, mm, BPF_CORE_READ(task, tgid));
	s->life.other_mm = other;
	s->life.other_tgid = other_tgid;
	bpf_probe_read_kernel(s->life.comm, sizeof(s->life.comm),
			      (void *)task + bpf_core_field_offset(struct task_struct, comm));
	emit(&s->life, sizeof(s->life));
}

static __always_inline void fork_of(struct task_struct *parent, struct task_struct *child)
{
	u64 mm = (u64)BPF_CORE_READ(child, mm), parent_mm = (u64)BPF_CORE_READ(parent, mm);
	u32 tgid = BPF_CORE_READ(child, tgid);
	u8 one = 1;

	if (BPF_CORE_READ(child, pid) != tgid || !config.follow_children || !owner_of(parent_mm))
		return;
	bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY);
	if (mm == parent_mm)  // vfork: it shows itself at its exec
		return;
	observe(mm, tgid);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_FORKED);  // it does not run yet
	tell_life(VME_FORK, child, mm, parent_mm, BPF_CORE_READ(parent, tgid));
}

SEC("?tp_btf/sched_process_fork")
int task_forked(u64 *ctx)
{
	fork_of((void *)ctx[0], (void *)ctx[1]);
	return 0;
}

// The child that a thread has just made is among the last on its list.
static __always_inline struct task_struct *child_of(struct task_struct *parent, int pid)
{
	struct list_head *head =
		(void *)parent + bpf_core_field_offset(struct task_struct, children);
	struct list_head *node = BPF_CORE_READ(head, prev);
	int i;

	for (i = 0; i < 8 && node && node != head; i++) {
		struct task_struct *task =
			(void *)node - bpf_core_field_offset(struct task_struct, sibling);

		if (BPF_CORE_READ(task, pid) == pid)
			return task;
		node = BPF_CORE_READ(node, prev);
	}
	return 0;
}

SEC("?tp/sched/sched_process_fork")
int task_forked_perf(struct trace_event_raw_sched_process_fork *ctx)
{
	struct task_struct *parent = (void *)bpf_get_current_task();
	int pid = ctx->child_pid;
	struct task_struct *child = child_of(parent, pid);

	if (!child)  // CLONE_PARENT
		child = child_of(BPF_CORE_READ(parent, real_parent), pid);
	if (child)
		fork_of(parent, child);  // a thread is on no such list
	return 0;
}

// The new image is complete: mappings, stack and vdso. The changes that exec itself made to build
// it are the kernel's, not the program's.
static __always_inline void exec_of(struct task_struct *task)
{
	u64 mm = (u64)BPF_CORE_READ(task, mm);
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (!bpf_map_lookup_elem(&targets, &tgid))
		return;
	observe(mm, tgid);
	tell_life(VME_EXEC, task, mm, 0, 0);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_IMAGE);
}

SEC("?tp_btf/sched_process_exec")
int task_execed(u64 *ctx)
{
	exec_of((void *)ctx[0]);
	return 0;
}

SEC("?tp/sched/sched_process_exec")
int task_execed_perf(void *ctx)
{
	exec_of((void *)bpf_get_current_task());
	return 0;
}

// A process has exited, and its id may be another's later.
static __always_inline int exit_of(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (!BPF_CORE_READ(task, signal, live.counter))
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

SEC("?tp_btf/sched_process_exit")
int task_exited(u64 *ctx)
{
	return exit_of((void *)ctx[0]);
}

SEC("?tp/sched/sched_process_exit")
int task_exited_perf(void *ctx)
{
	return exit_of((void *)bpf_get_current_task());
}

#endif
