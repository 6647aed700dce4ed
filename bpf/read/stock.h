// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The number of VMAs of each process: one pass over all tasks, which reads no VMA.
#ifndef VMASCOPE_STOCK_H
#define VMASCOPE_STOCK_H

// The process id in the namespace of the process itself, the innermost.
static __always_inline u32 namespace_pid(struct task_struct *leader)
{
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	int nr = 0;

	if (level <= 32)  // MAX_PID_NS_LEVEL
		bpf_probe_read_kernel(&nr, sizeof(nr),
				      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
					      level * bpf_core_type_size(struct upid) +
					      bpf_core_field_offset(struct upid, nr));
	return nr;
}

#define NAMESPACES_DEEP 33  // user namespaces in one another, at most

// The user who made the outermost user namespace that a process is in, below the first; -1 in the first, which nobody made.
static __always_inline u32 namespace_maker(struct task_struct *task)
{
	struct user_namespace *at = BPF_CORE_READ(task, real_cred, user_ns), *parent, *last = 0;
	int i;

	ROLLED
	for (i = 0; i < NAMESPACES_DEEP; i++) {
		parent = BPF_CORE_READ(at, parent);
		if (!parent)
			break;
		last = at;
		at = parent;
	}
	return last ? BPF_CORE_READ(last, owner.val) : -1;
}

SEC("?iter/task")
int stock(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *leader;
	struct vme_task t = {};
	struct mm_struct *mm;

	if (!task || BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	t.tgid = BPF_CORE_READ(task, tgid);
	leader = BPF_CORE_READ(task, group_leader);
	// The leader may end before the others: then each of these stands for the process.
	if (!mm || (BPF_CORE_READ(task, pid) != t.tgid && BPF_CORE_READ(leader, mm)))
		return 0;
	t.mm = (u64)mm;
	t.map_count = BPF_CORE_READ(mm, map_count);
	t.started = BPF_CORE_READ(leader, start_boottime);
	if (bpf_core_field_exists(struct task_struct, cgroups))
		t.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	t.namespace_pid = namespace_pid(leader);
	t.uid = BPF_CORE_READ(task, real_cred, euid.val);
	t.namespace_maker = namespace_maker(task);
	t.threads = BPF_CORE_READ(task, signal, nr_threads);
	bpf_probe_read_kernel(t.comm, sizeof(t.comm),
			      (void *)leader + bpf_core_field_offset(struct task_struct, comm));
	bpf_seq_write(ctx->meta->seq, &t, sizeof(t));
	return 0;
}

#endif
