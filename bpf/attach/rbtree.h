// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The hook source on kernels whose VMAs are in a red-black tree (up to 6.0). They have no maple
// tree whose stores fire a tracepoint, and before 5.11 no tracepoints at the mmap_lock, either.
#ifndef VMASCOPE_RBTREE_H
#define VMASCOPE_RBTREE_H

static __always_inline void lock_let_go(void *ctx, u64 lock)
{
	u64 mm = lock - bpf_core_field_offset(struct mm_struct, mmap_lock);
	struct vme_owner *o = owner_of(mm);

	if (!o)
		return;
	ensure_section(mm, o);
	observed_ends(ctx, mm, o);
}

// up_write(semaphore), of any semaphore: the mm's is recognized by its address.
SEC("?kprobe/up_write")
int on_up_write(struct pt_regs *ctx)
{
	lock_let_go(ctx, ctx->di);
	return 0;
}

SEC("?kprobe/downgrade_write")
int on_downgrade_write(struct pt_regs *ctx)
{
	lock_let_go(ctx, ctx->di);
	return 0;
}

static __always_inline void changed(u64 mm, u64 lo, u64 hi)
{
	struct vme_owner *o = owner_of(mm);

	if (!o)
		return;
	ensure_section(mm, o);
	note_write(mm, o, lo, hi);
}

// vma_link(mm, vma, …)
SEC("?kprobe/vma_link")
int on_rb_linked(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)ctx->si;

	changed(ctx->di, BPF_CORE_READ(vma, vm_start), BPF_CORE_READ(vma, vm_end));
	return 0;
}

// unmap_region(mm, vma, prev, start, end): the tree has changed already. If the lock was
// downgraded, nobody will release it for writing, so the section ends here.
SEC("?kprobe/unmap_region")
int on_rb_unmapped(struct pt_regs *ctx)
{
	u64 mm = ctx->di;
	struct vme_owner *o = owner_of(mm);
	bool is_open = o && is_writer(o);

	changed(mm, ctx->cx, ctx->r8);
	if (!is_open && o)
		observed_ends(ctx, mm, o);
	return 0;
}

static __always_inline void stack_grown(struct vm_area_struct *vma)
{
	u64 mm = (u64)BPF_CORE_READ(vma, vm_mm);
	struct vme_owner *o = owner_of(mm);

	if (o)
		emit_rows(mm, BPF_CORE_READ(vma, vm_start), BPF_CORE_READ(vma, vm_end), o->tgid,
			  VME_GROWN);
}

// Called with the VMA when a stack has grown, under the lock for reading. Others call it with the lock held for
// writing. (perf_event_mmap() is called, too, but up to 5.15 it is one that the kernel lets nobody probe.)
static __always_inline int told_khugepaged(struct vm_area_struct *vma)
{
	struct rw_semaphore *lock = (void *)BPF_CORE_READ(vma, vm_mm) +
				    bpf_core_field_offset(struct mm_struct, mmap_lock);

	if (!(BPF_CORE_READ(lock, count.counter) & RWSEM_WRITER_LOCKED))
		stack_grown(vma);
	return 0;
}

// khugepaged_enter_vma_merge(vma, flags), up to 5.17.
SEC("?kprobe/khugepaged_enter_vma_merge")
int on_rb_grown(struct pt_regs *ctx)
{
	return told_khugepaged((void *)ctx->di);
}

// khugepaged_enter_vma(vma, flags), 5.18 to 6.0.
SEC("?kprobe/khugepaged_enter_vma")
int on_rb_grown_vma(struct pt_regs *ctx)
{
	return told_khugepaged((void *)ctx->di);
}

// expand_downwards(vma, address), without huge pages, and where a semaphore does not say who holds it
// (CONFIG_PREEMPT_RT). The last choice: where the kernel preempts, it may do so in the midst of this program.
SEC("?fexit/expand_downwards")
int on_stack_grown(u64 *ctx)
{
	stack_grown((void *)as_number((void *)ctx[0]));
	return 0;
}

// exit_mmap(mm)
SEC("?kprobe/exit_mmap")
int on_mm_exit(struct pt_regs *ctx)
{
	u64 mm = ctx->di;
	struct vme_owner *o = owner_of(mm);

	if (o)
		mm_exit(mm, o);
	return 0;
}

#endif
