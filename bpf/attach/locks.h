// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The tracepoint source's write sections.
#ifndef VMASCOPE_LOCKS_H
#define VMASCOPE_LOCKS_H

SEC("?tp_btf/mmap_lock_acquire_returned")
int lock_acquired(u64 *ctx)
{
	acquired(ctx, ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("?tp_btf/mmap_lock_released")
int lock_released(u64 *ctx)
{
	released(ctx, ctx[0], ctx[1]);
	return 0;
}

// Up to 6.12 the second argument is the path of the memory cgroup.
SEC("?tp_btf/mmap_lock_acquire_returned")
int lock_acquired_memcg(u64 *ctx)
{
	acquired(ctx, ctx[0], ctx[2], ctx[3]);
	return 0;
}

SEC("?tp_btf/mmap_lock_released")
int lock_released_memcg(u64 *ctx)
{
	released(ctx, ctx[0], ctx[2]);
	return 0;
}

// The side tree of a munmap, a child's tree, and those of other subsystems are not the mm's.
SEC("?tp_btf/ma_write")
int tree_write(u64 *ctx)
{
	struct ma_state *mas = (void *)ctx[1];
	struct vme_owner *o;
	u64 mm;

	if (!are_stores_noted())
		return 0;
	mm = as_number(mas->tree) - bpf_core_field_offset(struct mm_struct, mm_mt);
	o = writer_of(mm);
	if (o)
		note_write(mm, o, mas->index, mas->last + 1);
	return 0;
}

// The same by way of perf, which keeps the processor to itself: for kernels that may preempt
// programs at the tracepoints themselves, and skip other runs meanwhile.
SEC("?tp/mmap_lock/mmap_lock_acquire_returned")
int lock_acquired_perf(struct trace_event_raw_mmap_lock_acquire_returned *ctx)
{
	acquired(ctx, (u64)ctx->mm, ctx->write, ctx->success);
	return 0;
}

SEC("?tp/mmap_lock/mmap_lock_released")
int lock_released_perf(struct trace_event_raw_mmap_lock *ctx)
{
	released(ctx, (u64)ctx->mm, ctx->write);
	return 0;
}

// perf does not say which tree was written to. Entries of other trees are no VMAs of this mm, or
// not at their place: the side tree of a munmap counts them from 0.
SEC("?tp/maple_tree/ma_write")
int tree_write_perf(struct trace_event_raw_ma_write *ctx)
{
	struct vm_area_struct *vma;
	struct vme_owner *o;
	u64 lo, hi, mm;

	if (!are_stores_noted())
		return 0;
	vma = ctx->val;
	lo = ctx->index;
	hi = ctx->last + 1;
	mm = vma ? as_number(FIELD(struct vm_area_struct, vma, vm_mm)) : current_mm();
	o = writer_of(mm);
	if (o && !((lo | hi) & (PAGE_SIZE - 1)))
		note_write(mm, o, lo, hi);
	return 0;
}

#endif
