// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Makes a row of the wire from a vm_area_struct, and the rows of a range.
#ifndef VMASCOPE_ROWS_H
#define VMASCOPE_ROWS_H

#define MAX_CHUNKS 16  // and that many times
// And these, so that a fork of a process at the default limit of VMAs is told whole.
#define MAX_ROUNDS 256

// The values that mpol_equal() compares, as one number, of the first 64 nodes. Two different
// policies with the same number would show as an unexplained refusal.
static __always_inline u64 policy_key(u64 policy)
{
	struct mempolicy *p = (void *)policy;
	u64 hash = FNV_OFFSET;

	if (!policy)
		return 0;
	hash = mix(hash, BPF_CORE_READ(p, mode));
	hash = mix(hash, BPF_CORE_READ(p, flags));
	if (bpf_core_field_exists(p->nodes))
		hash = mix(hash, BPF_CORE_READ(p, nodes.bits[0]));
	if (bpf_core_field_exists(p->home_node))
		hash = mix(hash, BPF_CORE_READ(p, home_node));
	return hash;
}

// anon_vma is set if and only if the chain is not empty, so two equal ends mean one entry.
static __always_inline u32 anon_traits(struct scratch *s, struct vm_area_struct *vma, u64 address)
{
	struct anon_vma *anon_vma;
	u32 traits = 0;

	if (!address)
		return 0;
	if (vma->anon_vma_chain.next == vma->anon_vma_chain.prev)
		traits |= VME_CHAIN_SINGULAR;
	if (!bpf_core_field_exists(struct anon_vma, num_children))
		return traits;
	anon_vma = OBJECT(struct anon_vma, address, s->anon_vma);
	if (!anon_vma)
		return traits;
	traits |= VME_ANON_KNOWN;
	if (number_of(s, anon_vma->root) == address)
		traits |= VME_ANON_OWN_ROOT;
	if (anon_vma->num_children > 1)
		traits |= VME_ANON_CHILDREN;
	if (anon_vma->num_active_vmas > 1)
		traits |= VME_ANON_SHARED;
	return traits;
}

// The kernel's own mapping that a VMA without a file is, by its name: [vdso], [vvar],
// [vvar_vclock].
static __always_inline u32 special_traits(u64 private_data, u64 vm_ops)
{
	struct vm_special_mapping *mapping = (void *)private_data;
	char name[8] = {};

	if (!FIELD(struct vm_operations_struct, vm_ops, name) || !private_data)
		return 0;
	if (bpf_probe_read_kernel(name, sizeof(name) - 1, BPF_CORE_READ(mapping, name)) ||
	    name[0] != '[' || name[1] != 'v')
		return 0;
	if (name[2] == 'd')
		return VME_VDSO;
	return name[2] != 'v' ? 0 : name[5] == '_' ? VME_VVAR_VCLOCK : VME_VVAR;
}

// The facts about `mm` that row_read() needs, as they are now.
static __always_inline void look_at(struct scratch *s, u64 mm)
{
	forget_leaf(&s->place);
	s->areas.start_brk = FIELD(struct mm_struct, mm, start_brk);
	s->areas.brk = FIELD(struct mm_struct, mm, brk);
	s->areas.start_stack = FIELD(struct mm_struct, mm, start_stack);
}

// Fills `row` in from a VMA that was read, except for its name and the fields that distinguish
// its file.
static __always_inline int row_read(struct scratch *s, u64 address, struct vme_row *row)
{
	struct vm_area_struct *vma;
	u64 vm_ops, policy = 0;

	s->anon_name = 0;
	vma = OBJECT(struct vm_area_struct, address, s->vma);
	if (!vma)
		return 0;
	row->start = vma->vm_start;
	row->end = vma->vm_end;
	row->pgoff = vma->vm_pgoff;
	row->flags = vma->vm_flags;
	row->anon_vma = number_of(s, vma->anon_vma);
	row->file = number_of(s, vma->vm_file);
	row->uffd = 0;
	if (bpf_core_field_exists(struct vm_userfaultfd_ctx, ctx))
		row->uffd = number_of(s, vma->vm_userfaultfd_ctx.ctx);
	if (bpf_core_field_exists(struct vm_area_struct, vm_policy))
		policy = number_of(s, vma->vm_policy);
	if (bpf_core_field_exists(struct vm_area_struct, anon_name) &&
	    !(row->file && bpf_core_field_offset(struct vm_area_struct, anon_name) ==
				   bpf_core_field_offset(struct vm_area_struct, shared.rb)))
		s->anon_name = number_of(s, vma->anon_name);
	vm_ops = number_of(s, vma->vm_ops);

	row->traits = anon_traits(s, vma, row->anon_vma);
	row->anon_pgoff = 0;
	if (bpf_core_field_exists(struct vm_area_struct, __vm_anon_pgoff_lo)) {
		row->anon_pgoff = (u64)vma->__vm_anon_pgoff_hi << 32 | vma->__vm_anon_pgoff_lo;
		row->traits |= VME_ANON_PGOFF;
	}
	if (vm_ops && FIELD(struct vm_operations_struct, vm_ops, close))
		row->traits |= VME_HAS_CLOSE;
	if (vm_ops && !row->file)
		row->traits |= special_traits(number_of(s, vma->vm_private_data), vm_ops);
	if (row->flags & VM_HUGETLB)
		row->traits |= VME_HUGETLB;
	if (row->end <= s->areas.start_brk)
		row->traits |= VME_BELOW_HEAP;
	if (!row->file) {
		if (row->start <= s->areas.brk && row->end >= s->areas.start_brk)
			row->traits |= VME_HEAP;
		if (row->start <= s->areas.start_stack && s->areas.start_stack <= row->end)
			row->traits |= VME_STACK;
	}
	row->policy = policy_key(policy);
	row->name = 0;
	row->inode = 0;
	return 1;
}

// Sets these two, and sends their texts if they have not been sent.
static __always_inline void row_name(struct scratch *s, struct vme_row *row)
{
	if (s->anon_name)
		row->name = name_key(s->anon_name);
	name_file(row);
}

// Both, in the scratch memory.
__noinline int row_fill(u64 address)
{
	struct scratch *s = scratch();

	if (!s || !row_read(s, address, &s->row))
		return 0;
	row_name(s, &s->row);
	return 1;
}

// The tree's range is right while a VMA is being changed: the kernel alters the struct before the
// tree. The offset is adjusted with a start that has moved.
static __always_inline void row_place(struct scratch *s, struct vme_row *row)
{
	if (!s->late_pgoff)
		row->pgoff += ((s64)(s->place.lo - row->start)) >> PAGE_SHIFT;
	if (row->traits & VME_ANON_PGOFF)
		row->anon_pgoff += ((s64)(s->place.lo - row->start)) >> PAGE_SHIFT;
	row->start = s->place.lo;
	row->end = s->place.last + 1;
}

// The VMA at `place`, copied to `row`.
static __always_inline int row_at(struct scratch *s, struct vme_row *row)
{
	if (!row_fill(s->place.vma))
		return 0;
	*row = s->row;
	row_place(s, row);
	return 1;
}

// Adds the next row of the span to those to be sent. Returns 1 if none comes after it. It is a
// function of its own, so that the verifier goes through one row and not through every sequence
// of rows.
__noinline int next_row(void)
{
	struct scratch *s = scratch();
	struct vme_row *row;
	struct place *p;
	int found;

	if (!s)
		return 1;
	p = &s->place;
	found = tree_next(s->span.mm);
	if (found <= 0 || p->lo > s->span.hi) {
		if (found < 0)
			s->span.truncated = 1;
		else if (found > 0)
			s->rows.hi = p->lo;  // there is nothing up to there
		return 1;
	}
	row = &s->rows.rows[s->rows.count & (VME_ROWS_MAX - 1)];
	if (!row_read(s, p->vma, row)) {
		s->span.truncated = 1;
		return 1;
	}
	row_name(s, row);
	if (s->span.reason == VME_AUDIT || s->span.reason == VME_SNAPSHOT)
		tell_deleted(row);
	row_place(s, row);
	if (s->source && row->start <= s->source && s->source < row->end)
		row->traits |= s->source_traits;
	s->span.edges += (row->start >= s->span.from && row->start <= s->span.to) ||
			 (row->end >= s->span.from && row->end <= s->span.to);
	if (s->wanted.looks)
		want_beside(s, row);
	s->rows.count++;
	if (p->lo < s->rows.lo)
		s->rows.lo = p->lo;
	p->addr = p->last + 1;
	if (p->addr <= s->span.hi && p->addr)
		return 0;
	if (p->addr > s->rows.hi)
		s->rows.hi = p->addr;
	return 1;
}

// Sends up to VME_ROWS_MAX rows of `span`; returns 1 when it is finished.
__noinline int emit_chunk(void)
{
	struct scratch *s = scratch();
	struct span *span;
	u32 i, n;
	int done = 0;

	if (!s)
		return 1;
	span = &s->span;
	s->place.addr = span->first && span->lo
				? span->lo - 1
				: span->lo;  // the neighbour on the left belongs to it
	s->rows.lo = span->lo;
	s->rows.hi = span->hi;
	s->rows.count = 0;
	for (i = 0; i < VME_ROWS_MAX && !done; i++)
		done = next_row();
	if (!done)
		s->rows.hi = s->place.addr;
	begin(&s->rows.h, VME_ROWS, span->mm, span->tgid);
	s->rows.reason = span->reason;
	s->rows.truncated = span->truncated;
	n = s->rows.count;
	if (n > VME_ROWS_MAX)
		return 1;
	// The section may end on another CPU, whose numbers show no gap.
	if (emit(&s->rows, sizeof(s->rows) - (VME_ROWS_MAX - n) * sizeof(struct vme_row)))
		span->sent++;
	else
		span->truncated = 1;
	if (span->truncated && span->reason == VME_SNAPSHOT)
		return 1;  // these are asked for again
	span->lo = s->place.addr;
	span->first = 0;
	return done;
}

// Two nested loops of few rounds instead of one of many: the verifier goes through each round.
__noinline int emit_chunks(void)
{
	int chunk;

	ROLLED
	for (chunk = 0; chunk < MAX_CHUNKS; chunk++)
		if (emit_chunk())
			return 1;
	return 0;
}

// Sends the rows of [lo, hi) and its two neighbours. Returns 0 if there were too many.
__noinline int emit_rows(u64 mm, u64 lo, u64 hi, u32 tgid, u32 reason)
{
	struct scratch *s = scratch();
	u32 round, rounds = MAX_ROUNDS;

	if (!s)
		return 0;
	s->span.mm = mm;
	s->span.lo = lo;
	s->span.hi = hi;
	s->span.from = lo;
	s->span.to = hi;
	s->span.edges = 0;
	s->span.tgid = tgid;
	s->span.reason = reason;
	s->span.truncated = 0;
	s->span.first = 1;
	s->span.sent = 0;
	s->wanted.has_left = 0;
	look_at(s, mm);
	// The rest of a snapshot is asked for again. A section of very many VMAs would fill the ring and use up the
	// budget where all are watched, so that nobody else is seen: it is counted, and not judged.
	if (reason == VME_SNAPSHOT)
		rounds = MAX_CHUNKS;
	else if (config.everyone)
		rounds = 1;
	ROLLED
	for (round = 0; round < MAX_ROUNDS; round++) {
		if (round >= rounds)
			break;
		if (emit_chunks())
			return !s->span.truncated;
	}
	if (reason == VME_SNAPSHOT)
		return 0;
	// An empty record says that there is more.
	begin(&s->rows.h, VME_ROWS, mm, tgid);
	s->rows.reason = reason;
	s->rows.truncated = 1;
	s->rows.lo = s->rows.hi = s->span.lo;
	s->rows.count = 0;
	emit(&s->rows, sizeof(s->rows) - VME_ROWS_MAX * sizeof(struct vme_row));
	return 0;
}

#endif
