// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The hook source: the functions that consider a merge, and the one that carries it out.
// Entry kprobes only. Return probes and fentry/fexit lose events when the kernel preempts
// or many tasks are inside at once; an entry kprobe does not.
#ifndef VMASCOPE_HOOKS_H
#define VMASCOPE_HOOKS_H

// The 7th and later arguments, which x86-64 passes on the stack above the return address.
static __always_inline u64 stack_arg(struct pt_regs *ctx, int nth)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)BPF_CORE_READ(ctx, sp) + 8 * (nth - 6));
	return value;
}

static __always_inline u32 neighbour(u64 mm, u64 addr, struct vme_row *row, u32 flag)
{
	struct place p = { .addr = addr };

	return tree_find(mm, &p) && p.vma && row_at(&p, row) ? flag : 0;
}

// Sends the attempt whose `proposed` is filled in, with the neighbours as they stand.
static __always_inline void tell_attempt(struct pt_regs *ctx, struct scratch *s, u64 mm, u32 tgid, u32 site)
{
	struct vme_attempt *a = &s->attempt;
	u32 ignored = 0;
	u64 origin;

	read_syscall(bpf_get_current_task_btf(), &a->nr, a->args, &ignored);
	a->stack = user_stack(ctx);
	a->site = site;
	a->flags = neighbour(mm, a->proposed.start - 1, &a->prev, VME_HAS_PREV);
	a->flags |= neighbour(mm, a->proposed.end, &a->next, VME_HAS_NEXT);
	// What is moved is still where it was.
	origin = a->nr == NR_mremap ? PAGE_DOWN(a->args[0]) : a->proposed.start;
	a->flags |= neighbour(mm, origin, &a->middle, VME_HAS_MIDDLE);
	begin(s, &a->h, VME_ATTEMPT, mm, tgid);
	emit(s, a, sizeof(*a));
}

// vma_merge(mm, prev, addr, end, vm_flags, anon_vma, file, pgoff, policy, uffd_ctx[, anon_name])
// mm/mmap.c, up to 6.2; the anonymous name came with 5.17.
SEC("?kprobe/vma_merge")
int on_vma_merge(struct pt_regs *ctx)
{
	u64 mm = BPF_CORE_READ(ctx, di);
	struct owner *o = owner_of(mm);
	struct scratch *s = scratch();
	struct vme_row *row;

	if (!o || !s)
		return 0;
	row = &s->attempt.proposed;
	row->start = BPF_CORE_READ(ctx, dx);
	row->end = BPF_CORE_READ(ctx, cx);
	row->flags = BPF_CORE_READ(ctx, r8);
	row->anon_vma = BPF_CORE_READ(ctx, r9);
	row->file = stack_arg(ctx, 6 + 1);
	row->pgoff = stack_arg(ctx, 6 + 2);
	row->policy = policy_key(stack_arg(ctx, 6 + 3));
	row->uffd = stack_arg(ctx, 6 + 4);
	row->name = 0;
	if (bpf_core_field_exists(struct vm_area_struct, anon_name))
		row->name = name_key(stack_arg(ctx, 6 + 5));
	row->traits = 0;
	file_key(row->file);
	tell_attempt(ctx, s, mm, o->tgid, VME_SITE_VMA_MERGE);
	return 0;
}

// mmap_region(file, addr, len, vm_flags, pgoff, uf), which merges without vma_merge() on 6.1.
// It may add flags before it merges: the row that it leaves has the final ones.
SEC("?kprobe/mmap_region")
int on_mmap_region(struct pt_regs *ctx)
{
	u64 mm = (u64)BPF_CORE_READ(bpf_get_current_task_btf(), mm);
	struct owner *o = owner_of(mm);
	struct scratch *s = scratch();
	struct vme_row *row;

	if (!o || !s)
		return 0;
	row = &s->attempt.proposed;
	__builtin_memset(row, 0, sizeof(*row));
	row->file = BPF_CORE_READ(ctx, di);
	row->start = BPF_CORE_READ(ctx, si);
	row->end = row->start + PAGE_UP(BPF_CORE_READ(ctx, dx));
	row->flags = BPF_CORE_READ(ctx, cx);
	row->pgoff = BPF_CORE_READ(ctx, r8);
	file_key(row->file);
	tell_attempt(ctx, s, mm, o->tgid, VME_SITE_MMAP_REGION);
	return 0;
}

// do_brk_flags(mas, vma, addr, len, flags), which merges without vma_merge() on 6.1.
SEC("?kprobe/do_brk_flags")
int on_brk(struct pt_regs *ctx)
{
	u64 mm = (u64)BPF_CORE_READ(bpf_get_current_task_btf(), mm);
	struct owner *o = owner_of(mm);
	struct scratch *s = scratch();
	struct vme_row *row;

	if (!o || !s)
		return 0;
	row = &s->attempt.proposed;
	__builtin_memset(row, 0, sizeof(*row));
	row->start = BPF_CORE_READ(ctx, dx);
	row->end = row->start + PAGE_UP(BPF_CORE_READ(ctx, cx));
	row->flags = BPF_CORE_READ(ctx, r8);
	row->pgoff = row->start >> PAGE_SHIFT;
	tell_attempt(ctx, s, mm, o->tgid, VME_SITE_BRK);
	return 0;
}

// __vma_adjust(vma, start, end, pgoff, insert, expand), mm/mmap.c, up to 6.2. Only a merge
// names a VMA to expand; splitting inserts one, shrinking does neither.
SEC("?kprobe/__vma_adjust")
int on_vma_adjust(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)BPF_CORE_READ(ctx, di);
	struct vm_area_struct *expand = (void *)BPF_CORE_READ(ctx, r9);
	u64 insert = BPF_CORE_READ(ctx, r8);
	u64 mm = (u64)BPF_CORE_READ(vma, vm_mm);
	struct owner *o = owner_of(mm);
	struct scratch *s = scratch();

	if (!o || !s || insert || !expand)
		return 0;
	s->commit.start = BPF_CORE_READ(ctx, si);
	s->commit.end = BPF_CORE_READ(ctx, dx);
	if (expand != vma && s->commit.end < BPF_CORE_READ(vma, vm_end)) {
		// Case 4: vma gives its tail to the one after it.
		s->commit.start = s->commit.end;
		s->commit.end = BPF_CORE_READ(expand, vm_end);
	}
	begin(s, &s->commit.h, VME_COMMIT, mm, o->tgid);
	emit(s, &s->commit, sizeof(s->commit));
	return 0;
}

#endif
