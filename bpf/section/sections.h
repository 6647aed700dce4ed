// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Write sections of the mmap_lock: how one is opened, noted, recorded and closed. mode/ decides
// which sections are recorded, and attach/ what calls these functions.
//
// Every change of an address space happens between "mmap_lock acquired for writing" and
// "released", on one thread. Both are tracepoints (include/linux/mmap_lock.h) that fire while the
// lock is held. So what is read there does not change meanwhile, and the ring holds it in the
// order in which the kernel did it. maple_tree:ma_write shows which ranges the section stored to;
// the syscall's own arguments show what it may have erased or changed in place, for which
// ma_write does not fire.
#ifndef VMASCOPE_SECTIONS_H
#define VMASCOPE_SECTIONS_H

static __always_inline bool is_writer(struct vme_owner *o)
{
	return o->writer == current_tid();
}

// Returns how many VMAs begin or end where the section may have changed something.
static __always_inline u32 read_section(u64 mm, struct vme_owner *o, u32 reason)
{
	struct vme_section *c = &o->section;
	struct scratch *s = scratch();
	u32 edges = 0;

	if (c->lo < c->hi) {
		if (!emit_rows(mm, c->lo, c->hi, o->tgid, reason))
			c->flags |= VME_INCOMPLETE;
		edges += s ? s->span.edges : 0;
	}
	if (c->lo2 < c->hi2) {
		if (!emit_rows(mm, c->lo2, c->hi2, o->tgid, reason))
			c->flags |= VME_INCOMPLETE;
		edges += s ? s->span.edges : 0;
	}
	return edges;
}

static __always_inline void clear_section(struct vme_section *c)
{
	__builtin_memset((void *)c + sizeof(c->h), 0, sizeof(*c) - sizeof(c->h));
}

// `one_in`: the section's weight, 0 where all sections are recorded.
static __always_inline void section_begin(u64 mm, struct vme_owner *o, u32 one_in)
{
	struct vme_section *c = &o->section;
	struct scratch *s = scratch();

	section_opens(o);
	clear_section(c);
	c->one_in = one_in;
	c->flags = current_mm() == mm ? 0 : VME_FOREIGN;
	read_syscall(&c->nr, c->args, &c->flags);
	expected_range(mm, c);
	o->asked_lo = c->lo;
	o->asked_hi = c->hi;
	o->counted = 0;
	refusals_begin(mm, o);
	if (!config.read_before)
		return;
	if (c->nr == NR_mremap && s && !one_in && !c->flags) {
		s->source = PAGE_DOWN(c->args[0]);
		s->source_traits = pages_of_source(mm, s->source, PAGE_UP(c->args[1]));
	}
	read_section(mm, o, VME_BEFORE);
	if (s)
		s->source = 0;
}

// Whether the section's attempts are concluded from its rows, so that its pages are counted here. (Hooks count when an
// attempt is made.)
static __always_inline bool counts_pages(struct vme_section *c)
{
	return config.read_before && !config.everyone && !(c->flags & (VME_FOREIGN | VME_COMPAT));
}

// What the section has changed is in between VMAs whose boundaries may be missed merges.
static __always_inline void look_for_wanted(struct scratch *s, struct vme_owner *o)
{
	struct vme_section *c = &o->section;
	bool is_new = c->nr == NR_mmap || c->nr == NR_brk || c->nr == NR_shmat;

	s->wanted.looks = c->nr == NR_mremap ? LOOKS_NOT : is_new ? LOOKS_NEW : LOOKS_CHANGED;
	s->wanted.lo = o->asked_lo;
	s->wanted.hi = o->asked_hi;
	if (is_new && o->asked_lo >= o->asked_hi) {
		s->wanted.lo = c->lo2;
		s->wanted.hi = c->hi2;
	}
}

// A store that does not reach over what mremap was told to move: the copy, or what lies in its place.
static __always_inline void count_moved(u64 mm, struct vme_owner *o, u64 lo, u64 hi)
{
	struct vme_section *c = &o->section;
	u64 from = PAGE_DOWN(c->args[0]),
	    length = c->args[1] < c->args[2] ? c->args[1] : c->args[2];
	bool moves = c->args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP) || c->args[2] > c->args[1];

	if (o->counted || !moves || (lo <= from && hi > from))
		return;
	o->counted = 1;
	want_source(mm, from, from + PAGE_UP(length));
	tell_wanted(mm, o->tgid);
}

// Records the section's changes, with the lock still held. Returns whether there was anything to
// record.
static __always_inline bool emit_section(void *ctx, u64 mm, struct vme_owner *o)
{
	struct vme_section *c = &o->section;
	bool has_changes = c->lo < c->hi || c->lo2 < c->hi2;
	struct scratch *s = scratch();

	if (has_changes) {
		if (s && counts_pages(c))
			look_for_wanted(s, o);
		// Within one VMA no boundary is left that a caller would be charged with.
		if (read_section(mm, o, VME_AFTER) && !c->stack)
			c->stack = user_stack(ctx, mm);
		if (s && counts_pages(c)) {
			s->wanted.looks = LOOKS_NOT;
			tell_wanted(mm, o->tgid);
		}
		begin(&c->h, VME_SECTION, mm, o->tgid);
		emit(c, sizeof(*c));
	}
	return has_changes;
}

// The lock had been taken before its mm was observed: the section's changes are unknown.
static __always_inline void section_unseen(u64 mm, struct vme_owner *o)
{
	section_closes(o);
	clear_section(&o->section);
	o->section.nr = -1;
	o->section.flags = VME_INCOMPLETE;
	begin(&o->section.h, VME_SECTION, mm, o->tgid);
	emit(&o->section, sizeof(o->section));
}

// The last user of an mm has gone: its VMAs stay as they are until exit_mmap() frees them.
static __always_inline void mm_exit(u64 mm, struct vme_owner *o)
{
	struct scratch *s = scratch();
	u32 tgid = o->tgid;

	if (!s)
		return;
	emit_leftover_refusals(mm, o);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_AUDIT);
	begin(&s->life.h, VME_EXIT, mm, tgid);
	s->life.other_mm = 0;
	s->life.other_tgid = 0;
	bpf_get_current_comm(s->life.comm, sizeof(s->life.comm));
	emit(&s->life, sizeof(s->life));
	bpf_map_delete_elem(&tracked, &mm);
}

// The section stores to [lo, hi).
static __always_inline void note_write(u64 mm, struct vme_owner *o, u64 lo, u64 hi)
{
	struct vme_section *c = &o->section;
	struct scratch *s = scratch();

	c->writes++;
	if (c->nr == NR_mremap && counts_pages(c))
		count_moved(mm, o, lo, hi);
	if (c->lo < c->hi && lo <= c->hi && hi >= c->lo) {
		c->lo = lo < c->lo ? lo : c->lo;
		c->hi = hi > c->hi ? hi : c->hi;
	} else if (c->lo2 < c->hi2) {
		c->lo2 = lo < c->lo2 ? lo : c->lo2;
		c->hi2 = hi > c->hi2 ? hi : c->hi2;
	} else {
		// The tracepoint in mas_store_prealloc() fires before the store, so the tree
		// still shows the old VMAs.
		c->lo2 = lo;
		c->hi2 = hi;
		if (!config.read_before || !s)
			return;
		// __vma_adjust() moves the start, stores, and then sets the offset.
		s->late_pgoff = config.late_pgoff && c->nr == NR_mremap;
		if (!emit_rows(mm, lo, hi, o->tgid, VME_BEFORE))
			c->flags |= VME_INCOMPLETE;
		s->late_pgoff = 0;
	}
}

#endif
