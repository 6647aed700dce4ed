// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Look-ups in mm->mm_mt by hand. bpf_find_vma and the task_vma iterator refuse or skip what their
// own caller has write-locked. Reading the nodes does not, and under the mmap_lock the nodes do
// not change. Node layout: include/linux/maple_tree.h, the same from 6.1 to 7.3 on 64 bit.
#ifndef VMASCOPE_TREE_H
#define VMASCOPE_TREE_H

#define MAPLE_LEAF_64 1
#define MAPLE_ARANGE_64 3
#define ARANGE_PIVOTS 9
#define LEAF_PIVOTS 15
#define MAPLE_LEVELS 12
#define RB_LEVELS 40

// A word of a node. Each word is a plain number if it is read as if it were the node's first
// pivot.
static __always_inline u64 word_at(u64 address)
{
	return TYPED(struct maple_range_64,
		     address - bpf_core_field_offset(struct maple_range_64, pivot))
		->pivot[0];
}

static __always_inline u64 node_word(struct scratch *s, u32 i)
{
	return HAS_CAST ? word_at(s->place.leaf + i * sizeof(u64))
			: s->node[i & (TREE_NODE_WORDS - 1)];
}

// The slot of `place.leaf` that holds `place.addr`, which is not before slot `from`; from there on the node spans
// [lo, last].
__noinline int node_search(u32 pivots, u32 from)
{
	struct scratch *s = scratch();
	u64 addr, lo, last;
	struct place *p;
	u32 i;

	if (!s)
		return 0;
	p = &s->place;
	addr = p->addr;
	lo = p->lo;
	last = p->last;
	for (i = from & 15; i < 15; i++) {
		u64 pivot;

		if (i >= pivots)
			break;
		pivot = node_word(s, 1 + i);
		if (!pivot || pivot >= last)  // the node's own end
			break;
		if (addr <= pivot) {
			last = pivot;
			break;
		}
		lo = pivot + 1;
	}
	p->lo = lo;
	p->last = last;
	p->slot = i;
	p->node = node_word(s, 1 + pivots + i);
	return 0;
}

// One level down: returns 1 at a leaf, 0 to go on, -1 if the node can't be read.
__noinline int node_step(void)
{
	struct scratch *s = scratch();
	struct place *p;
	u32 type;

	if (!s)
		return -1;
	p = &s->place;
	type = (p->node >> 3) & 15;
	p->leaf = p->node & ~0xffULL;
	if (!HAS_CAST && bpf_probe_read_kernel(s->node, sizeof(s->node), (void *)p->leaf))
		return -1;
	if (type == MAPLE_LEAF_64) {
		p->leaf_lo = p->lo;
		p->leaf_last = p->last;
	}
	node_search(type == MAPLE_ARANGE_64 ? ARANGE_PIVOTS : LEAF_PIVOTS, 0);
	return type <= MAPLE_LEAF_64;
}

// Drops the remembered leaf: later look-ups read the tree as it is now.
static __always_inline void forget_leaf(struct place *p)
{
	p->leaf_lo = 1;
	p->leaf_last = 0;
}

static __always_inline int maple_find(struct place *p, u64 mm)
{
	int level, step = 0;

	// Neighbours are in one leaf, mostly, and the next one is in the next slot.
	if (p->leaf_lo <= p->addr && p->addr <= p->leaf_last) {
		bool follows = p->addr > p->leaf_lo && p->addr == p->last + 1;

		p->lo = follows ? p->addr : p->leaf_lo;
		p->last = p->leaf_last;
		node_search(LEAF_PIVOTS, follows ? p->slot + 1 : 0);
		step = 1;
	} else {
		forget_leaf(p);
		p->lo = 0;
		p->last = ~0ULL;
		p->node = as_number(FIELD(struct mm_struct, mm, mm_mt.ma_root));
		if ((p->node & 3) != 2 || p->node <= 4096)  // xa_is_node
			return 0;
		for (level = 0; level < MAPLE_LEVELS && !step; level++)
			step = node_step();
	}
	if (step == 1 && !(p->node & 3) && p->node > 4096)  // not a gap, nor an internal entry
		p->vma = p->node;
	return step == 1;
}

// Up to 6.0 the VMAs are in a red-black tree. A gap is reported from `addr` on.
static __always_inline int rb_find(struct place *p, u64 mm)
{
	struct mm_struct___rb *owner = (void *)mm;
	struct rb_node *node = BPF_CORE_READ(owner, mm_rb.rb_node);
	u32 offset = bpf_core_field_offset(struct vm_area_struct___rb, vm_rb);
	u64 found = 0;
	int level;

	for (level = 0; level < RB_LEVELS && node; level++) {
		struct vm_area_struct *vma = (void *)node - offset;

		if (BPF_CORE_READ(vma, vm_end) > p->addr) {
			found = (u64)vma;
			p->node = BPF_CORE_READ(vma, vm_start);
			if (p->node <= p->addr)
				break;
			node = BPF_CORE_READ(node, rb_left);
		} else {
			node = BPF_CORE_READ(node, rb_right);
		}
	}
	if (!found) {
		p->lo = p->addr;
	} else if (p->node > p->addr) {
		p->lo = p->addr;
		p->last = p->node - 1;
	} else {
		p->vma = found;
		p->lo = p->node;
		p->last = BPF_CORE_READ((struct vm_area_struct *)found, vm_end) - 1;
	}
	return 1;
}

// The slot that holds `place.addr`. Returns 0 if the tree can't be read.
__noinline int tree_find(u64 mm)
{
	struct scratch *s = scratch();
	struct place *p;

	if (!s)
		return 0;
	p = &s->place;
	p->vma = 0;
	p->node = 0;
	if (bpf_core_field_exists(struct mm_struct, mm_mt))
		return maple_find(p, mm);
	p->lo = 0;
	p->last = ~0ULL;
	return rb_find(p, mm);
}

// The first VMA that ends above `place.addr`. Returns 0 if there is none, -1 if the tree can't
// be read.
static __always_inline int tree_next(u64 mm)
{
	struct scratch *s = scratch();
	int gap;

	if (!s)
		return -1;
	// Adjacent gaps are one slot, except where a node ends.
	for (gap = 0; gap < MAPLE_LEVELS; gap++) {
		if (!tree_find(mm))
			return -1;
		if (s->place.vma)
			return 1;
		if (s->place.last == ~0ULL)
			return 0;
		s->place.addr = s->place.last + 1;
	}
	return -1;
}

#endif
