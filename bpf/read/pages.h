// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Pages of a VMA that mremap is about to move from: whether KSM, or the swap cache, has one of them. Read off
// the page tables, under the mmap_lock. A page that comes or goes meanwhile is seen or not, as by the kernel.
#ifndef VMASCOPE_PAGES_H
#define VMASCOPE_PAGES_H

#define VM_MERGEABLE 0x80000000UL
#define TABLE_ENTRIES 512
#define TABLE_PART 16
#define WALK_STEPS 32
#define WALK_ROUNDS 16  // together 512 tables, of 2 MiB each
#define GIB (1ULL << 30)
#define FIND_STEPS 64  // of 1 GiB each
#define FIND_ROUNDS 8
// arch/x86/include/asm/pgtable_types.h
#define PAGE_IS_PRESENT 1
#define PAGE_IS_HUGE (1 << 7)
#define PAGE_IS_PROTNONE (1 << 8)
#define FRAME_MASK 0x000ffffffffff000ULL
// A swap entry: arch/x86/include/asm/pgtable_64.h. Types from 23 on are no swap areas on any kernel: migration, devices.
#define SWAP_TYPE(pte) ((pte) >> 59)
#define SWAP_TYPES 23
#define SWAP_OFFSET(pte) (~(pte) << 5 >> 14)
#define SWAP_HAS_CACHE 0x40
#define MAPPING_IS_KSM 3

// How physical memory is found, by find_memory(); what it needs for that, the loader writes.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_memory);
} memory SEC(".maps");

static __always_inline struct vme_memory *memory_map(void)
{
	return only(&memory);
}

static __always_inline int read_word(u64 address, u64 *word)
{
	return bpf_probe_read_kernel(word, sizeof(*word), (void *)address);
}

// Where struct page has what, by its own name or by struct folio's.
#define PAGE_FIELD(page, field)                                                     \
	({                                                                          \
		u64 value_ = 0;                                                     \
		if (bpf_core_field_exists(struct folio, field))                     \
			value_ = (u64)BPF_CORE_READ((struct folio *)(page), field); \
		else                                                                \
			value_ = (u64)BPF_CORE_READ((struct page *)(page), field);  \
		value_;                                                             \
	})

// Whether a swap slot is in the swap cache. Since 6.18 a table of its cluster says so, where what is swapped out has
// the lowest bit set (mm/swap_table.h); before, a flag in the map of slots.
static __always_inline u32 swap_facts(struct vme_memory *m, u64 pte)
{
	u64 area = 0, offset = SWAP_OFFSET(pte), place = 0, entry = 0;
	u8 count = 0;

	if (SWAP_TYPE(pte) >= SWAP_TYPES)
		return 0;
	if (!m->swap_info || read_word(m->swap_info + SWAP_TYPE(pte) * sizeof(u64), &area) || !area)
		return VME_PAGES_UNSEEN;
	if (bpf_core_field_exists(struct swap_cluster_info, table)) {
		u32 size = bpf_core_type_size(struct swap_table) / sizeof(u64);

		if (!size)
			return VME_PAGES_UNSEEN;
		place = (u64)BPF_CORE_READ((struct swap_info_struct *)area, cluster_info) +
			offset / size * bpf_core_type_size(struct swap_cluster_info);
		place = (u64)BPF_CORE_READ((struct swap_cluster_info *)place, table);
		if (!place || read_word(place + offset % size * sizeof(u64), &entry))
			return VME_PAGES_UNSEEN;
		return entry && !(entry & 1) ? VME_PAGES_SHARED : 0;
	}
	if (!bpf_core_field_exists(struct swap_info_struct, swap_map))
		return VME_PAGES_UNSEEN;
	place = (u64)BPF_CORE_READ((struct swap_info_struct *)area, swap_map);
	if (!place || bpf_probe_read_kernel(&count, 1, (void *)(place + offset)))
		return VME_PAGES_UNSEEN;
	return count & SWAP_HAS_CACHE ? VME_PAGES_SHARED : 0;
}

// One entry of a page table, of a page at `walk.at`. KSM's pages in the part that is moved are broken before.
__noinline int page_look(u64 pte)
{
	struct scratch *s = scratch();
	struct vme_memory *m = memory_map();
	u64 page;

	if (!s || !m || !pte)
		return 0;
	if (!(pte & (PAGE_IS_PRESENT | PAGE_IS_PROTNONE))) {
		s->pages.found |= swap_facts(m, pte);
		return 0;
	}
	if (!s->pages.looks_for_ksm ||
	    (s->pages.at >= s->pages.moved && s->pages.at < s->pages.moved_end))
		return 0;
	// What nobody may access has the bits of its frame inverted.
	if (!(pte & PAGE_IS_PRESENT))
		pte = ~pte;
	page = m->page_structs +
	       ((pte & FRAME_MASK) >> PAGE_SHIFT) * bpf_core_type_size(struct page);
	if ((PAGE_FIELD(page, mapping) & 3) == MAPPING_IS_KSM &&
	    (s32)PAGE_FIELD(page, _mapcount.counter) + 1 > 1)
		s->pages.found |= VME_PAGES_SHARED;
	return 0;
}

// Entries of the table that was copied, from `at` on. Returns 1 at the end of the table, or of the range.
__noinline int entries_look(void)
{
	struct scratch *s = scratch();
	u32 i;

	if (!s)
		return 1;
	ROLLED
	for (i = 0; i < TABLE_PART; i++) {
		u64 entry = s->pages.entries[s->pages.at >> PAGE_SHIFT & (TABLE_ENTRIES - 1)];

		if (entry)
			page_look(entry);
		s->pages.at += PAGE_SIZE;
		if (s->pages.at >= s->pages.end || !(s->pages.at & (TABLE_ENTRIES * PAGE_SIZE - 1)))
			return 1;
	}
	return 0;
}

// All of its entries. Two nested loops of few rounds instead of one of many, here and below: the verifier goes through
// each round.
__noinline int table_look(void)
{
	u32 i;

	ROLLED
	for (i = 0; i < TABLE_ENTRIES / TABLE_PART; i++)
		if (entries_look())
			break;
	return 0;
}

// From a table to the one below it that has `at`. Returns 0 if there is none, and `entry` says what is there instead.
__noinline int table_below(u32 shift)
{
	struct scratch *s = scratch();
	struct vme_memory *m = memory_map();
	u64 entry = 0;

	if (!s || !m)
		return 0;
	if (read_word(s->pages.table +
			      (s->pages.at >> (shift & 63) & (TABLE_ENTRIES - 1)) * sizeof(u64),
		      &entry)) {
		s->pages.found |= VME_PAGES_UNSEEN;
		entry = 0;
	}
	s->pages.entry = entry;
	if (!(entry & PAGE_IS_PRESENT) || (shift <= 30 && entry & PAGE_IS_HUGE))
		return 0;
	s->pages.table = m->direct_map + (entry & FRAME_MASK);
	return 1;
}

// The shift of the level at which the way down ends; 12 at a table of pages.
__noinline int way_down(void)
{
	struct scratch *s = scratch();
	struct vme_memory *m = memory_map();

	if (!s || !m)
		return 0;
	if (s->pages.pmd && s->pages.pmd_of == s->pages.at >> 30) {
		s->pages.table = s->pages.pmd;
	} else {
		s->pages.table = s->pages.pgd;
		if (m->levels == 5 && !table_below(48))
			return 48;
		if (!table_below(39))
			return 39;
		if (!table_below(30))
			return 30;
		s->pages.pmd = s->pages.table;
		s->pages.pmd_of = s->pages.at >> 30;
	}
	return table_below(21) ? 12 : 21;
}

// One table of the walk. Returns 1 at its end.
__noinline int pages_step(void)
{
	struct scratch *s = scratch();
	u32 shift;

	if (!s)
		return 1;
	shift = way_down();
	// What is not there is passed over, and so is a huge page, which neither KSM nor swap has.
	if (shift != 12) {
		s->pages.at = (s->pages.at | ((1ULL << (shift & 63)) - 1)) + 1;
	} else if (bpf_probe_read_kernel(s->pages.entries, TABLE_ENTRIES * sizeof(u64),
					 (void *)s->pages.table)) {
		s->pages.found |= VME_PAGES_UNSEEN;
		return 1;
	} else {
		table_look();
	}
	return s->pages.at >= s->pages.end || s->pages.found & VME_PAGES_SHARED;
}

__noinline int pages_steps(void)
{
	int i;

	ROLLED
	for (i = 0; i < WALK_STEPS; i++)
		if (pages_step())
			return 1;
	return 0;
}

__noinline int pages_walk(void)
{
	int i;

	ROLLED
	for (i = 0; i < WALK_ROUNDS; i++)
		if (pages_steps())
			return 1;
	return 0;
}

// What is known of the pages of the VMA at `from`, of which `length` bytes are to be moved, as traits of its row; 0 of
// what is no touched anonymous memory.
__noinline int pages_of_source(u64 mm, u64 from, u64 length)
{
	struct vme_memory *m = memory_map();
	struct scratch *s = scratch();
	struct vme_row *row;
	bool is_part;

	if (!s || !m)
		return 0;
	look_at(s, mm);
	s->place.addr = from;
	if (!tree_find(mm) || !s->place.vma || !row_read(s, s->place.vma, &s->row))
		return 0;
	row = &s->row;
	if (row->file || !row->anon_vma)
		return 0;
	is_part = length < s->place.last + 1 - s->place.lo;
	s->pages.looks_for_ksm = row->flags & VM_MERGEABLE && is_part;
	if (!s->pages.looks_for_ksm && !m->swaps)
		return VME_PAGES_SEEN;
	if (!m->direct_map || !m->page_structs)
		return VME_PAGES_UNSEEN;
	s->pages.pgd = (u64)BPF_CORE_READ((struct mm_struct *)mm, pgd);
	s->pages.pmd = 0;
	s->pages.at = s->place.lo;
	s->pages.end = s->place.last + 1;
	s->pages.moved = from;
	s->pages.moved_end = from + length;
	s->pages.found = 0;
	if (!pages_walk())
		s->pages.found |= VME_PAGES_UNSEEN;
	// One that is shared is enough to know.
	if (s->pages.found & VME_PAGES_SHARED)
		return VME_PAGES_SEEN | VME_PAGES_SHARED;
	return s->pages.found ? VME_PAGES_UNSEEN : VME_PAGES_SEEN;
}

// The page of a thread's stack that is lowest has a struct page, whose address tells where those are, about.
static __always_inline u64 some_page_struct(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 pages, page = 0;

	if (!bpf_core_field_exists(task->stack_vm_area))
		return 0;
	pages = (u64)BPF_CORE_READ(task, stack_vm_area, pages);
	return read_word(pages, &page) ? 0 : page;
}

// Whether all physical memory is mapped from `base` on: then our page is found there.
__noinline int maps_memory(u64 base)
{
	struct vme_memory *m = memory_map();
	u64 word = 0;

	return m && !read_word(base + (m->frame << PAGE_SHIFT), &word) && word == m->pattern;
}

// Whether struct pages lie from `base` on: then our page's says so.
__noinline int has_page_structs(u64 base)
{
	struct vme_memory *m = memory_map();
	u64 page;

	if (!m)
		return 0;
	page = base + m->frame * bpf_core_type_size(struct page);
	return (PAGE_FIELD(page, mapping) & 3) == 1 &&
	       PAGE_FIELD(page, index) == m->address >> PAGE_SHIFT;
}

// Where all physical memory is mapped, if it is at `base` or one of the multiples of 1 GiB below it.
__noinline u64 direct_map_below(u64 base)
{
	u32 i;

	ROLLED
	for (i = 0; i < FIND_STEPS; i++) {
		if (maps_memory(base))
			return base;
		base -= GIB;
	}
	return 0;
}

// Whether the way down by so many levels leads to our page.
__noinline int has_levels(u32 levels)
{
	struct scratch *s = scratch();
	struct vme_memory *m = memory_map();
	u64 entry = 0;

	if (!s || !m)
		return 0;
	m->levels = levels;
	s->pages.pmd = 0;
	s->pages.at = m->address;
	if (way_down() != 12 ||
	    read_word(s->pages.table +
			      (m->address >> PAGE_SHIFT & (TABLE_ENTRIES - 1)) * sizeof(u64),
		      &entry))
		return 0;
	return entry & PAGE_IS_PRESENT && (entry & FRAME_MASK) >> PAGE_SHIFT == m->frame;
}

// Run once by the loader, which knows the frame of a page of its own, and what it holds: finds where all physical
// memory is mapped, where its struct pages are, and how many levels page tables have. The first two begin at a
// multiple of 1 GiB (arch/x86/mm/kaslr.c), not far below something that is known to be in there. What a loop does is in
// functions of their own, which the verifier follows once and not for each round.
SEC("?raw_tp/sys_enter")
int find_memory(void *ctx)
{
	struct vme_memory *m = memory_map();
	struct scratch *s = scratch();
	u64 mm = current_mm(), base, found = 0;
	u32 i;

	if (!m || !s || !mm)
		return 0;
	s->pages.pgd = (u64)BPF_CORE_READ((struct mm_struct *)mm, pgd);
	base = s->pages.pgd & ~(GIB - 1);
	ROLLED
	for (i = 0; i < FIND_ROUNDS; i++) {
		found = direct_map_below(base);
		if (found)
			break;
		base -= FIND_STEPS * GIB;
	}
	if (!found)
		return 0;
	m->direct_map = found;
	if (!has_levels(4) && !has_levels(5)) {
		m->levels = 0;
		return 0;
	}
	base = some_page_struct() & ~(GIB - 1);
	if (!base)
		return 0;
	ROLLED
	for (i = 0; i < FIND_STEPS; i++) {
		if (has_page_structs(base)) {
			m->page_structs = base;
			break;
		}
		base -= GIB;
	}
	return 0;
}

#endif
