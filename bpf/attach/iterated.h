// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// vma_merge() with an iterator, from 6.3 to 6.11, and the function that shows its outcome.
#ifndef VMASCOPE_ITERATED_H
#define VMASCOPE_ITERATED_H

static __always_inline void tell_iterated(struct pt_regs *ctx, u64 mm, struct vme_row *row)
{
	struct vme_owner *o;

	name_file(row);
	if (config.outcome_by_rows) {
		// The merge of a copy is noted nowhere else.
		o = writer_of(mm);
		if (o)
			note_write(mm, o, row->start, row->end);
	}
	tell_attempt(ctx, mm, config.outcome_by_rows ? VME_SITE_ITERATED_ROWS : VME_SITE_ITERATED);
}

// vma_merge(vmi, mm, prev, addr, end, vm_flags, anon_vma, file, pgoff, policy, uffd_ctx, anon_name),
// mm/mmap.c, from 6.3 to 6.8.
SEC("?kprobe/vma_merge")
int on_vma_merge_iterator(struct pt_regs *ctx)
{
	u64 mm = ctx->si;
	struct vme_row *row = propose(mm, ctx->cx, ctx->r8);

	if (!row)
		return 0;
	row->flags = ctx->r9;
	row->anon_vma = stack_arg(ctx, 6 + 1);
	row->file = stack_arg(ctx, 6 + 2);
	last_arguments(ctx, row, 6 + 3);
	tell_iterated(ctx, mm, row);
	return 0;
}

// vma_merge(vmi, prev, src, addr, end, vm_flags, pgoff, policy, uffd_ctx, anon_name), from 6.9 to
// 6.11: the rest is the VMA's that is changed, copied or made.
SEC("?kprobe/vma_merge")
int on_vma_merge_source(struct pt_regs *ctx)
{
	struct vm_area_struct *src = (void *)ctx->dx;
	u64 mm = (u64)BPF_CORE_READ(src, vm_mm);
	struct vme_row *row = propose(mm, ctx->cx, ctx->r8);

	if (!row)
		return 0;
	row->flags = ctx->r9;
	row->anon_vma = (u64)BPF_CORE_READ(src, anon_vma);
	row->file = (u64)BPF_CORE_READ(src, vm_file);
	last_arguments(ctx, row, 6 + 1);
	tell_iterated(ctx, mm, row);
	return 0;
}

// khugepaged_enter_vma(vma, vm_flags): called with the VMA that a merge has made, and with others,
// too (new mappings, page faults, madvise). Those that hold the proposed range and more are merges.
SEC("?kprobe/khugepaged_enter_vma")
int on_enter_khugepaged(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)ctx->di;
	u64 mm = (u64)BPF_CORE_READ(vma, vm_mm);
	u64 lo = BPF_CORE_READ(vma, vm_start), hi = BPF_CORE_READ(vma, vm_end);
	struct scratch *s = scratch();
	struct vme_owner *o = joined(mm, lo, hi);

	if (!o || !s || !is_writer(o))
		return 0;
	s->commit.start = lo;
	s->commit.end = hi;
	tell_commit(s, mm, o);
	return 0;
}

#endif
