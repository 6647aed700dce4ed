// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How many pages of a range are present, by its page tables, under the mmap_lock.
#ifndef VMASCOPE_PRESENT_H
#define VMASCOPE_PRESENT_H

#define PAGE_IS_SPECIAL (1 << 9)  // of anonymous memory: the page of zeros
#define COUNT_GROUP 8
#define COUNT_STEPS 64
#define COUNT_ROUNDS 64

// What is not present of the first `count` entries, if anything is.
__noinline int count_swapped(u32 count)
{
	struct scratch *s = scratch();
	u32 i;

	if (!s)
		return 0;
	ROLLED
	for (i = 0; i < TABLE_ENTRIES; i++) {
		u64 entry;

		if (i >= count)
			break;
		entry = s->pages.entries[i & (TABLE_ENTRIES - 1)];
		if (entry && !(entry & (PAGE_IS_PRESENT | PAGE_IS_PROTNONE)) &&
		    SWAP_TYPE(entry) < SWAP_TYPES)
			s->pages.swapped++;
	}
	return 0;
}

// The first `count` entries that were copied. Without branches in groups, since a move can have a million.
__noinline int count_entries(u32 count)
{
	struct scratch *s = scratch();
	u64 present = 0, zero = 0, others = 0, *entries;
	u32 i, k;

	if (!s)
		return 0;
	entries = &s->pages.entries[count & (2 * TABLE_ENTRIES - 1)];
#pragma unroll
	for (k = 0; k < COUNT_GROUP; k++)
		entries[k] = 0;
	ROLLED
	for (i = 0; i < TABLE_ENTRIES; i += COUNT_GROUP) {
		if (i >= count)
			break;
		entries = &s->pages.entries[i & (TABLE_ENTRIES - COUNT_GROUP)];
#pragma unroll
		for (k = 0; k < COUNT_GROUP; k++) {
			u64 entry = entries[k];
			u64 is_present = entry | entry >> 8;  // PRESENT, PROTNONE

			// Or the compiler makes a branch of it, and the verifier thousands.
			asm volatile("" : "+r"(is_present));
			is_present &= 1;
			asm volatile("" : "+r"(is_present));
			present += is_present;
			zero += is_present & entry >> 9;  // SPECIAL
			others |= entry & (is_present - 1);
		}
	}
	s->pages.present += present - zero;
	s->pages.zero += zero;
	s->pages.others = others;
	return 0;
}

// One table of the walk, or one entry of an upper table that has none. Returns 1 at the end of the range, or where a
// table can't be read, or would be one too many.
__noinline int count_step(void)
{
	struct scratch *s = scratch();
	u64 next, at, last;
	u32 shift;

	if (!s)
		return 1;
	at = s->pages.at;
	shift = way_down();
	if (shift == 12) {
		u32 first = at >> PAGE_SHIFT & (TABLE_ENTRIES - 1), count = TABLE_ENTRIES - first;

		next = at + ((u64)count << PAGE_SHIFT);
		if (next > s->pages.end) {
			next = s->pages.end;
			count = (next - at) >> PAGE_SHIFT;
		}
		last = count * sizeof(u64) - 1;
		asm volatile("" : "+r"(last));  // the mask is for the verifier
		if (s->pages.tables++ >= config.count_tables ||
		    bpf_probe_read_kernel(s->pages.entries,
					  (last & (TABLE_ENTRIES * sizeof(u64) - 1)) + 1,
					  (void *)(s->pages.table + first * sizeof(u64)))) {
			s->pages.found |= VME_PAGES_UNSEEN;
			return 1;
		}
		count_entries(count);
		if (s->pages.others)
			count_swapped(count);
	} else {
		next = (at | ((1ULL << (shift & 63)) - 1)) + 1;
		if (next > s->pages.end)
			next = s->pages.end;
		if (shift <= 30 && s->pages.entry & PAGE_IS_HUGE) {
			if (s->pages.entry & PAGE_IS_SPECIAL)
				s->pages.zero += (next - at) >> PAGE_SHIFT;
			else
				s->pages.present += (next - at) >> PAGE_SHIFT;
		}
	}
	s->pages.at = next;
	return next >= s->pages.end;
}

__noinline int count_some(void)
{
	int i;

	ROLLED
	for (i = 0; i < COUNT_STEPS; i++)
		if (count_step())
			return 1;
	return 0;
}

__noinline int count_walk(void)
{
	int i;

	ROLLED
	for (i = 0; i < COUNT_ROUNDS; i++)
		if (count_some())
			return 1;
	return 0;
}

// Counts the pages of the ranges that are wanted, and sends the numbers.
__noinline int tell_wanted(u64 mm, u32 tgid)
{
	struct scratch *s = scratch();
	struct vme_memory *m = memory_map();
	u32 i, count;

	if (!s || !m)
		return 0;
	count = s->wanted.count;
	s->wanted.count = 0;
	if (!m->direct_map || !m->levels)
		return 0;
	// Of all ranges of a call together: the lock is held, and the processor not given up.
	s->pages.tables = 0;
	ROLLED
	for (i = 0; i < WANTED_MAX; i++) {
		if (i >= count)
			break;
		s->pages.pgd = (u64)BPF_CORE_READ((struct mm_struct *)mm, pgd);
		s->pages.at = s->wanted.start[i & (WANTED_MAX - 1)];
		s->pages.end = s->wanted.end[i & (WANTED_MAX - 1)];
		s->pages.found = s->pages.present = s->pages.zero = s->pages.swapped = 0;
		s->pages.pmd = 0;
		s->counted.start = s->pages.at;
		s->counted.end = s->pages.end;
		s->counted.partial = !count_walk() || s->pages.found;
		s->counted.present = s->pages.present;
		s->counted.zero = s->pages.zero;
		s->counted.swapped = s->pages.swapped;
		begin(&s->counted.h, VME_COUNTED, mm, tgid);
		emit(&s->counted, sizeof(s->counted));
	}
	return 0;
}

// The VMAs, or parts of them, that an mremap is about to move, several since 6.17.
__noinline int want_source(u64 mm, u64 from, u64 to)
{
	struct scratch *s = scratch();
	u32 i;

	if (!s)
		return 0;
	look_at(s, mm);
	s->place.addr = from;
	ROLLED
	for (i = 0; i < WANTED_MAX; i++) {
		struct place *p = &s->place;

		if (p->addr >= to || !tree_find(mm) || !p->vma || !row_read(s, p->vma, &s->row))
			return 0;
		if (!s->row.file && s->row.anon_vma)
			want(s, p->lo > from ? p->lo : from, p->last + 1 < to ? p->last + 1 : to);
		p->addr = p->last + 1;
	}
	return 0;
}

#endif
