// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The hook source's attempts: the functions that consider a merge, and the one that carries it
// out. Entry kprobes only. Return probes and fentry/fexit lose events when the kernel preempts
// or many tasks are inside at once; an entry kprobe does not.
#ifndef VMASCOPE_ATTEMPTS_H
#define VMASCOPE_ATTEMPTS_H

// Without the maple tree no tracepoint shows when the lock was taken: a section begins with its
// first change, or with its end. A section of another syscall was left open: munmap goes on after
// it has downgraded the lock.
static __always_inline void ensure_section(u64 mm, struct vme_owner *o)
{
	struct vme_section *c = &o->section;
	u64 args[6] = {};
	u32 flags = 0;
	s32 nr;

	read_syscall(&nr, args, &flags);
	if (is_writer(o) && c->nr == nr && c->args[0] == args[0] && c->args[1] == args[1] &&
	    c->args[2] == args[2] && c->args[3] == args[3] && c->args[4] == args[4])
		return;
	section_begin(mm, o, 0);
}

static __always_inline void adjusted(struct vm_area_struct *vma, u64 start, u64 end, u64 mm,
				     struct vme_owner *o)
{
	u64 old_start = BPF_CORE_READ(vma, vm_start), old_end = BPF_CORE_READ(vma, vm_end);

	ensure_section(mm, o);
	note_write(mm, o, start < old_start ? start : old_start, end > old_end ? end : old_end);
}

static __always_inline void tell_commit(struct scratch *s, u64 mm, struct vme_owner *o)
{
	if (is_writer(o))
		note_write(mm, o, s->commit.start, s->commit.end);
	begin(&s->commit.h, VME_COMMIT, mm, o->tgid);
	emit(&s->commit, sizeof(s->commit));
}

// The 7th and later arguments, which x86-64 passes on the stack above the return address.
static __always_inline u64 stack_arg(struct pt_regs *ctx, int nth)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)ctx->sp + 8 * (nth - 6));
	return value;
}

static __always_inline u32 neighbour(u64 mm, u64 addr, struct vme_row *row, u32 flag)
{
	struct scratch *s = scratch();

	if (!s)
		return 0;
	s->place.addr = addr;
	return tree_find(mm) && s->place.vma && row_at(s, row) ? flag : 0;
}

// Prepares the record of an attempt on [start, end), with all other fields zero. Returns the row
// to fill in; 0 if the mm is not observed, or if attempts are only counted.
static __always_inline struct vme_row *propose(u64 mm, u64 start, u64 end)
{
	struct scratch *s = scratch();
	struct vme_owner *o = considered(mm, start, end);

	if (!o || !s)
		return 0;
	s->attempt.h.tgid = o->tgid;
	__builtin_memset(&s->attempt.proposed, 0, sizeof(s->attempt.proposed));
	s->attempt.proposed.start = start;
	s->attempt.proposed.end = end;
	return &s->attempt.proposed;
}

// Wants the pages counted that a patch would have to update if it let the attempt succeed: what is moved, what is
// changed in place if it was touched, or else the neighbours.
static __always_inline void want_attempt(struct scratch *s, struct vme_attempt *a, u64 origin)
{
	struct vme_row *p = &a->proposed;
	u64 end = origin + (p->end - p->start);
	bool prev = a->flags & VME_HAS_PREV && kept_apart(&a->prev, p);
	bool next = a->flags & VME_HAS_NEXT && kept_apart(p, &a->next);

	if (a->nr == NR_mremap) {
		u64 old_end = PAGE_UP(a->args[0] + a->args[1]);

		if (!(a->flags & VME_HAS_MIDDLE) || a->middle.file || !a->middle.anon_vma)
			return;
		// It grows in place, by what has no page yet.
		if (a->middle.end == p->start && !(a->args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
			return;
		end = end < a->middle.end ? end : a->middle.end;
		want(s, origin, end < old_end ? end : old_end);
	} else if (p->anon_vma) {
		if (prev || next)
			want(s, p->start, p->end);
	} else {
		// A range that fits both joins one of two that differ.
		if (a->flags & VME_HAS_PREV && a->flags & VME_HAS_NEXT && a->prev.end == p->start &&
		    a->next.start == p->end && !p->file && !a->prev.file && !a->next.file &&
		    differ_in_anon_vma(&a->prev, &a->next))
			next = true;
		if (prev)
			want(s, a->prev.start, a->prev.end);
		if (next)
			want(s, a->next.start, a->next.end);
	}
}

// Sends the attempt that `propose` began, with the neighbours as they stand.
static __always_inline void tell_attempt(struct pt_regs *ctx, u64 mm, u32 site)
{
	struct scratch *s = scratch();
	struct vme_attempt *a;
	struct vme_owner *o;
	u32 flags = 0;
	u64 origin;

	if (!s)
		return;
	a = &s->attempt;
	read_syscall(&a->nr, a->args, &flags);
	if (flags & VME_COMPAT)  // its numbers mean something else
		a->nr = NR_other;
	o = owner_of(mm);
	if (o && is_writer(o) && o->section.stack)
		a->stack = o->section.stack;  // of an attempt before in the same section
	else
		a->stack = user_stack(ctx, mm);
	if (o && is_writer(o))
		o->section.stack = a->stack;
	look_at(s, mm);
	a->site = site;
	a->flags = neighbour(mm, a->proposed.start - 1, &a->prev, VME_HAS_PREV);
	a->flags |= neighbour(mm, a->proposed.end, &a->next, VME_HAS_NEXT);
	// The moved range is still where it was; several VMAs may be moved at once.
	origin = a->proposed.start;
	if (a->nr == NR_mremap) {
		origin = PAGE_DOWN(a->args[0]);
		if (a->args[3] & MREMAP_FIXED && a->proposed.start >= PAGE_DOWN(a->args[4]))
			origin += a->proposed.start - PAGE_DOWN(a->args[4]);
	}
	a->flags |= neighbour(mm, origin, &a->middle, VME_HAS_MIDDLE);
	if (a->nr == NR_mremap && a->flags & VME_HAS_MIDDLE)
		a->middle.traits |=
			pages_of_source(mm, origin, a->proposed.end - a->proposed.start);
	want_attempt(s, a, origin);
	tell_wanted(mm, a->h.tgid);
	begin(&a->h, VME_ATTEMPT, mm, a->h.tgid);
	emit(a, sizeof(*a));
}

// A userfaultfd context and a name, each if the kernel has such: without, there is no argument, either.
static __always_inline void uffd_and_name(struct pt_regs *ctx, struct vme_row *row, int nth)
{
	if (bpf_core_field_exists(struct vm_userfaultfd_ctx, ctx))
		row->uffd = stack_arg(ctx, nth++);
	if (bpf_core_field_exists(struct vm_area_struct, anon_name))
		row->name = name_key(stack_arg(ctx, nth));
}

// The last arguments of vma_merge(): pgoff, policy, uffd_ctx, anon_name, on the stack from the
// nth on.
static __always_inline void last_arguments(struct pt_regs *ctx, struct vme_row *row, int nth)
{
	row->pgoff = stack_arg(ctx, nth);
	row->policy = policy_key(stack_arg(ctx, nth + 1));
	uffd_and_name(ctx, row, nth + 2);
}

// vma_merge(mm, prev, addr, end, vm_flags, anon_vma, file, pgoff, policy, uffd_ctx[, anon_name])
// mm/mmap.c, up to 6.2; the anonymous name came with 5.17.
SEC("?kprobe/vma_merge")
int on_vma_merge(struct pt_regs *ctx)
{
	u64 mm = ctx->di;
	struct vme_row *row = propose(mm, ctx->dx, ctx->cx);

	if (!row)
		return 0;
	row->flags = ctx->r8;
	row->anon_vma = ctx->r9;
	row->file = stack_arg(ctx, 6 + 1);
	last_arguments(ctx, row, 6 + 2);
	name_file(row);
	tell_attempt(ctx, mm, VME_SITE_VMA_MERGE);
	return 0;
}

// mmap_region(file, addr, len, vm_flags, pgoff, uf), which merges without vma_merge() from 6.1 to 6.11.
// It may add flags before it merges: the row that it leaves has the final ones.
SEC("?kprobe/mmap_region")
int on_mmap_region(struct pt_regs *ctx)
{
	u64 mm = current_mm();
	struct vme_row *row = propose(mm, ctx->si, ctx->si + PAGE_UP(ctx->dx));

	if (!row)
		return 0;
	row->file = ctx->di;
	row->flags = ctx->cx;
	row->pgoff = ctx->r8;
	name_file(row);
	tell_attempt(ctx, mm, VME_SITE_MMAP_REGION);
	return 0;
}

// do_brk_flags(mas, vma, addr, len, flags), which merges without vma_merge() from 6.1 to 6.11; with an iterator
// in place of `mas` since 6.3.
SEC("?kprobe/do_brk_flags")
int on_brk(struct pt_regs *ctx)
{
	u64 mm = current_mm();
	struct vme_row *row = propose(mm, ctx->dx, ctx->dx + PAGE_UP(ctx->cx));

	if (!row)
		return 0;
	row->flags = ctx->r8;
	row->pgoff = row->start >> PAGE_SHIFT;
	tell_attempt(ctx, mm, VME_SITE_BRK);
	return 0;
}

// __vma_adjust(vma, start, end, pgoff, insert, expand), mm/mmap.c, up to 6.2. Only a merge
// names a VMA to expand; splitting inserts one, shrinking does neither.
SEC("?kprobe/__vma_adjust")
int on_vma_adjust(struct pt_regs *ctx)
{
	struct vm_area_struct *vma = (void *)ctx->di;
	struct vm_area_struct *expand = (void *)ctx->r9;
	u64 insert = ctx->r8;
	u64 mm = (u64)BPF_CORE_READ(vma, vm_mm);
	struct scratch *s = scratch();
	struct vme_owner *o = observed(mm);

	if (o && !bpf_core_field_exists(struct mm_struct, mm_mt))
		adjusted(vma, ctx->si, ctx->dx, mm, o);
	if (insert || !expand)
		return 0;
	o = carried_out(mm);
	if (!o || !s)
		return 0;
	s->commit.start = ctx->si;
	s->commit.end = ctx->dx;
	if (expand != vma && s->commit.end < BPF_CORE_READ(vma, vm_end)) {
		// Case 4: vma gives its tail to the VMA behind it.
		s->commit.start = s->commit.end;
		s->commit.end = BPF_CORE_READ(expand, vm_end);
	}
	tell_commit(s, mm, o);
	return 0;
}

// Since 6.12 one struct holds the proposal.
static __always_inline void tell_merge_struct(struct pt_regs *ctx, u32 site)
{
	u64 mm = as_number(FIELD(struct vma_merge_struct, ctx->di, mm));
	// commit_merge() shows the outcome.
	struct vme_row *row = propose(mm, 0, 0);
	struct scratch *s = scratch();
	struct vma_merge_struct *vmg;

	if (!row || !s)
		return;
	vmg = OBJECT(struct vma_merge_struct, ctx->di, s->vma);
	if (!vmg)
		return;
	row->start = vmg->start;
	row->end = vmg->end;
	row->pgoff = vmg->pgoff;
	if (bpf_core_field_exists(vmg->vm_flags))
		row->flags = vmg->vm_flags;
	else
		row->flags = ((struct vma_merge_struct___flags *)vmg)->flags;
	if (bpf_core_field_exists(struct vm_userfaultfd_ctx, ctx))
		row->uffd = number_of(s, vmg->uffd_ctx.ctx);
	if (bpf_core_field_exists(vmg->anon_pgoff)) {
		row->anon_pgoff = vmg->anon_pgoff;
		row->traits |= VME_ANON_PGOFF;
	}
	row->anon_vma = number_of(s, vmg->anon_vma);
	row->file = number_of(s, vmg->file);
	name_file(row);
	row->policy = policy_key(number_of(s, vmg->policy));
	row->name = name_key(number_of(s, vmg->anon_name));
	tell_attempt(ctx, mm, site);
}

// vma_merge_new_range(vmg): mmap, brk, mremap.
SEC("?kprobe/vma_merge_new_range")
int on_merge_new_range(struct pt_regs *ctx)
{
	tell_merge_struct(ctx, VME_SITE_NEW_RANGE);
	return 0;
}

// vma_modify(vmg): all that changes a VMA in place. It merges, or splits.
SEC("?kprobe/vma_modify")
int on_modify(struct pt_regs *ctx)
{
	tell_merge_struct(ctx, VME_SITE_MODIFY);
	return 0;
}

// commit_merge(vmg, …): the range is the merged one by now.
SEC("?kprobe/commit_merge")
int on_commit_merge(struct pt_regs *ctx)
{
	u64 mm = as_number(FIELD(struct vma_merge_struct, ctx->di, mm));
	struct scratch *s = scratch();
	struct vme_owner *o = carried_out(mm);

	if (!o || !s)
		return 0;
	s->commit.start = FIELD(struct vma_merge_struct, ctx->di, start);
	s->commit.end = FIELD(struct vma_merge_struct, ctx->di, end);
	tell_commit(s, mm, o);
	return 0;
}

#endif
