// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// From a vm_area_struct to a row of the wire, and from a range to the rows that fill it.
#ifndef VMASCOPE_ROWS_H
#define VMASCOPE_ROWS_H

#define MAX_CHUNKS 256
#define PATH_STEPS 32

// One component towards the root, or across a mount point. Returns 1 at the end. A function
// of its own, so that the verifier looks at one step and not at every sequence of them.
__noinline int path_step(void)
{
	struct scratch *s = scratch();
	struct path_walk *w;
	struct dentry *dentry, *parent, *root;
	struct vfsmount *mnt;
	u32 len;

	if (!s)
		return 1;
	w = &s->walk;
	dentry = (void *)w->dentry;
	mnt = (void *)w->mnt;
	parent = BPF_CORE_READ(dentry, d_parent);
	root = BPF_CORE_READ(mnt, mnt_root);
	if (dentry == root) {
		u32 offset = bpf_core_field_offset(struct mount, mnt);
		struct mount *mount = (void *)(w->mnt - offset);
		struct mount *up = BPF_CORE_READ(mount, mnt_parent);

		if (!up || up == mount)
			return 1;
		w->dentry = (u64)BPF_CORE_READ(mount, mnt_mountpoint);
		w->mnt = (u64)up + offset;
		return 0;
	}
	len = BPF_CORE_READ(dentry, d_name.len);
	if (dentry == parent || len > 255 || w->at <= len)
		return 1;
	w->at -= len;
	// The masks tell the verifier what the test above made sure of.
	bpf_probe_read_kernel(&s->file.path[w->at & (VME_PATH_MAX - 1)], len & 255,
			      BPF_CORE_READ(dentry, d_name.name));
	w->at--;
	s->file.path[w->at & (VME_PATH_MAX - 1)] = '/';
	w->dentry = (u64)parent;
	return 0;
}

static __always_inline u32 inode_key(u64 inode)
{
	return (u32)(inode >> 3);
}

// The path as the host sees it, a container's own prefix included.
__noinline int tell_file(u64 file, u64 inode)
{
	struct scratch *s = scratch();
	u64 seen = inode;
	int i;

	if (!s)
		return 0;
	begin(&s->file.h, VME_FILE, 0, 0);
	s->file.file = file;
	s->file.inode = inode_key(inode);
	s->file.path[VME_PATH_MAX - 1] = 0;
	s->walk.at = VME_PATH_MAX - 1;
	s->walk.dentry = (u64)BPF_CORE_READ((struct file *)file, f_path.dentry);
	s->walk.mnt = (u64)BPF_CORE_READ((struct file *)file, f_path.mnt);
	for (i = 0; i < PATH_STEPS; i++)
		if (path_step())
			break;
	s->file.at = s->walk.at;
	if (emit(&s->file, sizeof(s->file)))  // or it is told the next time
		bpf_map_update_elem(&told, &file, &seen, BPF_ANY);
	return 0;
}

// What mpol_equal() compares, as one number, of the first 64 nodes. Two policies that differ and
// have the same number would show as an unexplained refusal.
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

__noinline u64 name_key(u64 anon_name)
{
	struct scratch *s = scratch();
	u64 hash = FNV_OFFSET, one = 1;
	u32 i;
	long len;

	if (!anon_name || !s || !bpf_core_field_exists(struct anon_vma_name, name))
		return 0;
	len = bpf_probe_read_kernel_str(s->name.text, sizeof(s->name.text),
					(void *)anon_name +
					bpf_core_field_offset(struct anon_vma_name, name));
	if (len <= 0)
		return 0;
	for (i = 0; i < VME_NAME_MAX; i++) {
		if (i >= len)
			break;
		hash = mix(hash, s->name.text[i]);
	}
	if (!bpf_map_lookup_elem(&told, &hash)) {
		begin(&s->name.h, VME_NAME, 0, 0);
		s->name.name = hash;
		if (emit(&s->name, sizeof(s->name)))
			bpf_map_update_elem(&told, &hash, &one, BPF_ANY);
	}
	return hash;
}

// Sets what tells a row's file from others, and tells its path once.
static __always_inline void name_file(struct vme_row *row)
{
	u64 file = row->file, inode, *seen;

	row->inode = 0;
	if (!file)
		return;
	inode = as_number(FIELD(struct file, file, f_inode));
	row->inode = inode_key(inode);
	seen = bpf_map_lookup_elem(&told, &file);
	if (!seen || *seen != inode)  // new, or another file where a closed one was
		tell_file(file, inode);
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

// What row_fill() needs to know of `mm`, as it stands now.
static __always_inline void look_at(struct scratch *s, u64 mm)
{
	forget_leaf(&s->place);
	s->areas.start_brk = FIELD(struct mm_struct, mm, start_brk);
	s->areas.brk = FIELD(struct mm_struct, mm, brk);
	s->areas.start_stack = FIELD(struct mm_struct, mm, start_stack);
}

// Fills `row` in, of a VMA of what was looked at.
__noinline int row_fill(u64 address)
{
	struct scratch *s = scratch();
	struct vm_area_struct *vma;
	struct vme_row *row;
	u64 vm_ops, policy = 0, anon_name = 0;

	if (!s)
		return 0;
	row = &s->row;
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
		anon_name = number_of(s, vma->anon_name);
	vm_ops = number_of(s, vma->vm_ops);

	row->traits = anon_traits(s, vma, row->anon_vma);
	row->anon_pgoff = 0;
	if (bpf_core_field_exists(struct vm_area_struct, __vm_anon_pgoff_lo)) {
		row->anon_pgoff = (u64)vma->__vm_anon_pgoff_hi << 32 |
				  vma->__vm_anon_pgoff_lo;
		row->traits |= VME_ANON_PGOFF;
	}
	if (vm_ops && FIELD(struct vm_operations_struct, vm_ops, close))
		row->traits |= VME_HAS_CLOSE;
	if (row->flags & VM_HUGETLB)
		row->traits |= VME_HUGETLB;
	if (!row->file) {
		if (row->start <= s->areas.brk && row->end >= s->areas.start_brk)
			row->traits |= VME_HEAP;
		if (row->start <= s->areas.start_stack && s->areas.start_stack <= row->end)
			row->traits |= VME_STACK;
	}
	row->policy = policy_key(policy);
	row->name = name_key(anon_name);
	name_file(row);
	return 1;
}

// The VMA at `place`, copied to `row`. The tree's range is the truth while a VMA is being
// changed: the struct is altered before the tree is. An offset goes along with a start that has
// moved.
static __always_inline int row_at(struct scratch *s, struct vme_row *row)
{
	if (!row_fill(s->place.vma))
		return 0;
	*row = s->row;
	if (!s->late_pgoff)
		row->pgoff += ((s64)(s->place.lo - row->start)) >> PAGE_SHIFT;
	if (row->traits & VME_ANON_PGOFF)
		row->anon_pgoff += ((s64)(s->place.lo - row->start)) >> PAGE_SHIFT;
	row->start = s->place.lo;
	row->end = s->place.last + 1;
	return 1;
}

// Sends up to VME_ROWS_MAX rows of `span`; returns 1 when it is finished.
__noinline int emit_chunk(void)
{
	struct scratch *s = scratch();
	struct span *span;
	struct place *p;
	u32 n, done = 0;
	u64 lo, hi;
	int found;

	if (!s)
		return 1;
	span = &s->span;
	p = &s->place;
	lo = span->lo;
	hi = span->hi;
	p->addr = span->first && lo ? lo - 1 : lo;  // the neighbour on the left belongs to it
	for (n = 0; n < VME_ROWS_MAX; n++) {
		found = tree_next(span->mm);
		if (found <= 0 || p->lo > span->hi) {
			if (found < 0)
				span->truncated = 1;
			else if (found > 0)
				hi = p->lo;  // there is nothing up to there
			done = 1;
			break;
		}
		if (!row_at(s, &s->rows.rows[n & (VME_ROWS_MAX - 1)])) {
			done = 1;
			span->truncated = 1;
			break;
		}
		if (p->lo < lo)
			lo = p->lo;
		p->addr = p->last + 1;
		if (p->addr > span->hi || !p->addr) {
			if (p->addr > hi)
				hi = p->addr;
			n++;
			done = 1;
			break;
		}
	}
	if (!done)
		hi = p->addr;
	begin(&s->rows.h, VME_ROWS, span->mm, span->tgid);
	s->rows.lo = lo;
	s->rows.hi = hi;
	s->rows.count = n;
	s->rows.reason = span->reason;
	s->rows.truncated = span->truncated;
	if (n > VME_ROWS_MAX)
		return 1;
	emit(&s->rows, sizeof(s->rows) - (VME_ROWS_MAX - n) * sizeof(struct vme_row));
	span->lo = p->addr;
	span->first = 0;
	return done;
}

// Sends what fills [lo, hi), its two neighbours included. Returns 0 if that was too much.
__noinline int emit_rows(u64 mm, u64 lo, u64 hi, u32 tgid, u32 reason)
{
	struct scratch *s = scratch();
	int chunk;

	if (!s)
		return 0;
	s->span.mm = mm;
	s->span.lo = lo;
	s->span.hi = hi;
	s->span.tgid = tgid;
	s->span.reason = reason;
	s->span.truncated = 0;
	s->span.first = 1;
	look_at(s, mm);
	for (chunk = 0; chunk < MAX_CHUNKS; chunk++)
		if (emit_chunk())
			return !s->span.truncated;
	return 0;
}

#endif
