// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Which address spaces are observed: fork, exec. (The end of an mm is in sections.h: it
// outlives the process that had it.)
#ifndef VMASCOPE_LIFECYCLE_H
#define VMASCOPE_LIFECYCLE_H

static __always_inline void tell_life(u16 kind, struct task_struct *task, u64 mm, u64 other, u32 other_tgid)
{
	struct scratch *s = scratch();

	if (!s)
		return;
	begin(s, &s->life.h, kind, mm, BPF_CORE_READ(task, tgid));
	s->life.other_mm = other;
	s->life.other_tgid = other_tgid;
	s->life.map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
	bpf_probe_read_kernel(s->life.comm, sizeof(s->life.comm),
			      (void *)task + bpf_core_field_offset(struct task_struct, comm));
	emit(s, &s->life, sizeof(s->life));
}

static __always_inline void fork_of(struct task_struct *parent, struct task_struct *child)
{
	u64 mm = (u64)BPF_CORE_READ(child, mm), parent_mm = (u64)BPF_CORE_READ(parent, mm);
	u32 tgid = BPF_CORE_READ(child, tgid);
	struct owner o = { .tgid = tgid };
	u8 one = 1;

	if (BPF_CORE_READ(child, pid) != tgid || !config.follow_children || !owner_of(parent_mm))
		return;
	bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY);
	if (mm == parent_mm)  // vfork: it shows itself at its exec
		return;
	bpf_map_update_elem(&tracked, &mm, &o, BPF_ANY);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_FORKED);  // it does not run yet
	tell_life(VME_FORK, child, mm, parent_mm, BPF_CORE_READ(parent, tgid));
}

SEC("?tp_btf/sched_process_fork")
int task_forked(u64 *ctx)
{
	hold_cpu();
	fork_of((void *)ctx[0], (void *)ctx[1]);
	let_cpu_go();
	return 0;
}

// The new image is complete: mappings, stack and vdso. What exec itself did to build it is
// the kernel's doing, not the program's.
static __always_inline void exec_of(struct task_struct *task)
{
	u64 mm = (u64)BPF_CORE_READ(task, mm);
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct owner o = { .tgid = tgid };

	if (!bpf_map_lookup_elem(&targets, &tgid))
		return;
	bpf_map_update_elem(&tracked, &mm, &o, BPF_ANY);
	tell_life(VME_EXEC, task, mm, 0, 0);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_IMAGE);
}

SEC("?tp_btf/sched_process_exec")
int task_execed(u64 *ctx)
{
	hold_cpu();
	exec_of((void *)ctx[0]);
	let_cpu_go();
	return 0;
}

// A process is gone, and its id may be another's.
SEC("?tp_btf/sched_process_exit")
int task_exited(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (!BPF_CORE_READ(task, signal, live.counter))
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

#endif
