// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Look-ups in mm->mm_mt by hand. bpf_find_vma and the task_vma iterator refuse or skip what
// their own caller has write-locked; reading the nodes does not, and under the mmap_lock they
// stand still. Node layout: include/linux/maple_tree.h, the same from 6.1 to 7.3 on 64 bit.
#ifndef VMASCOPE_TREE_H
#define VMASCOPE_TREE_H

#define MAPLE_LEAF_64 1
#define MAPLE_ARANGE_64 3
#define MAPLE_LEVELS 12

// One slot of the tree: [lo, last] holds `vma`, or nothing.
struct place {
	u64 addr;   // what was looked for
	u64 node;   // encoded node to look into, then the slot's entry
	u64 lo;
	u64 last;
	u64 vma;
};

// One level down: returns 1 at a leaf, 0 to go on, -1 if the node can't be read.
__noinline int node_step(struct place *p)
{
	struct scratch *s = scratch();
	u32 i, type, pivots, slots;

	if (!p || !s)
		return -1;
	type = (p->node >> 3) & 15;
	if (bpf_probe_read_kernel(s->node, sizeof(s->node), (void *)(p->node & ~0xffULL)))
		return -1;
	pivots = type == MAPLE_ARANGE_64 ? 9 : 15;
	slots = 1 + pivots;
	for (i = 0; i < 15; i++) {
		u64 pivot;

		if (i >= pivots)
			break;
		pivot = s->node[1 + i];
		if (i && !pivot)  // unused: this slot ends where the node does
			break;
		if (p->addr <= pivot) {
			p->last = pivot;
			break;
		}
		p->lo = pivot + 1;
	}
	p->node = s->node[(slots + i) & (TREE_NODE_WORDS - 1)];
	return type <= MAPLE_LEAF_64;
}

// The slot that holds `p->addr`. Returns 0 if the tree can't be read.
__noinline int tree_find(u64 mm, struct place *p)
{
	int level, step = 0;

	if (!p)
		return 0;
	p->lo = 0;
	p->last = ~0ULL;
	p->vma = 0;
	p->node = 0;
	bpf_probe_read_kernel(&p->node, sizeof(p->node),
			      (void *)mm + bpf_core_field_offset(struct mm_struct, mm_mt.ma_root));
	if ((p->node & 3) != 2 || p->node <= 4096)  // xa_is_node
		return 0;
	for (level = 0; level < MAPLE_LEVELS && !step; level++)
		step = node_step(p);
	if (step == 1 && !(p->node & 3) && p->node > 4096)  // not a gap, nor an internal entry
		p->vma = p->node;
	return step == 1;
}

// The first VMA that ends above `p->addr`. Returns 0 if there is none, -1 if the tree can't be
// read.
__noinline int tree_next(u64 mm, struct place *p)
{
	int gap;

	if (!p)
		return -1;
	// Adjacent gaps are one slot, except where a node ends.
	for (gap = 0; gap < MAPLE_LEVELS; gap++) {
		if (!tree_find(mm, p))
			return -1;
		if (p->vma)
			return 1;
		if (p->last == ~0ULL)
			return 0;
		p->addr = p->last + 1;
	}
	return -1;
}

#endif
