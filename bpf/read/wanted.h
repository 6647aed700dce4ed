// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Which ranges have their pages counted (read/present.h): those that a patch would have to update if it let a merge
// happen that page offsets or anon_vmas forbid. Which rule forbids a merge is judged elsewhere; here it is only seen
// that one of these two may, so that nothing is counted for the others.
#ifndef VMASCOPE_WANTED_H
#define VMASCOPE_WANTED_H

#define SAME_ACCESS 0xf  // VM_READ, VM_WRITE, VM_EXEC, VM_SHARED

enum wanted_looks {
	LOOKS_NOT = 0,
	LOOKS_NEW = 1,      // [lo, hi) was mapped: the neighbours have the pages
	LOOKS_CHANGED = 2,  // [lo, hi) was changed in place
};

static __always_inline void want(struct scratch *s, u64 start, u64 end)
{
	u32 i = s->wanted.count;

	if (i >= WANTED_MAX || start >= end)
		return;
	s->wanted.start[i & (WANTED_MAX - 1)] = start;
	s->wanted.end[i & (WANTED_MAX - 1)] = end;
	s->wanted.count = i + 1;
}

static __always_inline bool differ_in_anon_vma(struct vme_row *left, struct vme_row *right)
{
	return left->anon_vma && right->anon_vma && left->anon_vma != right->anon_vma;
}

// Anonymous memory that touches, and differs in one of the two.
static __always_inline bool kept_apart(struct vme_row *left, struct vme_row *right)
{
	if (left->end != right->start || left->file || right->file ||
	    (left->flags ^ right->flags) & SAME_ACCESS)
		return false;
	return differ_in_anon_vma(left, right) ||
	       left->pgoff + ((left->end - left->start) >> PAGE_SHIFT) != right->pgoff;
}

// Compares a row that a section has left with the one before it.
static __always_inline void want_beside(struct scratch *s, struct vme_row *right)
{
	struct wanted *w = &s->wanted;
	struct vme_row *left = &w->left;
	u64 at = right->start;

	if (w->has_left && at >= w->lo && at <= w->hi && kept_apart(left, right)) {
		if (w->looks == LOOKS_NEW) {
			if (at == w->lo)
				want(s, left->start, left->end);
			if (at == w->hi)
				want(s, right->start, right->end);
		} else if (at < w->hi) {
			if (right->anon_vma)
				want(s, at, right->end < w->hi ? right->end : w->hi);
			// What was changed may be untouched, and have merged with what was not.
			if (!right->anon_vma || right->end > w->hi)
				want(s, left->start, left->end);
		} else {
			if (left->anon_vma)
				want(s, left->start > w->lo ? left->start : w->lo, at);
			if (!left->anon_vma || left->start < w->lo)
				want(s, right->start, right->end);
		}
	}
	w->left = *right;
	w->has_left = 1;
}

#endif
