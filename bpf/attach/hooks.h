// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The hook source's write sections and lifecycle, by entry kprobes: what locks.h and
// lifecycle.h do at tracepoints.
#ifndef VMASCOPE_HOOKS_H
#define VMASCOPE_HOOKS_H

// The write sections. Programs at the tracepoints may be preempted, and then other runs skipped.
// So the functions that fire the tracepoints are hooked, which the kernel calls while a program
// is attached to the tracepoints.
SEC("?tp_btf/mmap_lock_acquire_returned")
int lock_acquired_on(u64 *ctx)
{
	return 0;
}

SEC("?tp_btf/mmap_lock_released")
int lock_released_on(u64 *ctx)
{
	return 0;
}

SEC("?kprobe/__mmap_lock_do_trace_acquire_returned")
int on_lock_acquired(struct pt_regs *ctx)
{
	acquired(ctx, ctx->di, (bool)ctx->si, (bool)ctx->dx);
	return 0;
}

SEC("?kprobe/__mmap_lock_do_trace_released")
int on_lock_released(struct pt_regs *ctx)
{
	released(ctx, ctx->di, (bool)ctx->si);
	return 0;
}

// The ranges that a section stores to beyond its arguments: new mappings, a stack that grows, the
// heap.
//
// Since 6.16 a stack grows in a section that is not seen: lock_mm_and_find_vma is in one file with
// the functions hooked above, which are inlined there.
SEC("?kprobe/perf_event_mmap")
int on_mapped(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)ctx->di;
	u64 mm = (u64)BPF_CORE_READ(vma, vm_mm);
	u64 lo = BPF_CORE_READ(vma, vm_start), hi = BPF_CORE_READ(vma, vm_end);
	struct vme_owner *o = owner_of(mm);

	if (o && is_writer(o))
		note_write(mm, o, lo, hi);
	else if (o)
		emit_rows(mm, lo, hi, o->tgid, VME_GROWN);
	return 0;
}

// vma_link(mm, vma): the destination of a move.
SEC("?kprobe/vma_link")
int on_linked(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)ctx->si;
	u64 mm = ctx->di;
	struct vme_owner *o = writer_of(mm);

	if (o)
		note_write(mm, o, BPF_CORE_READ(vma, vm_start), BPF_CORE_READ(vma, vm_end));
	return 0;
}

// finalize_exec(bprm): the new image is complete.
SEC("?kprobe/finalize_exec")
int on_exec(struct pt_regs *ctx)
{
	exec_of((void *)bpf_get_current_task());
	return 0;
}

// wake_up_new_task(task): fork has succeeded.
SEC("?kprobe/wake_up_new_task")
int on_fork(struct pt_regs *ctx)
{
	fork_of((void *)bpf_get_current_task(), (void *)ctx->di);
	return 0;
}

#endif
