// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Texts that are sent once and named by their key from then on: paths of files and names of
// memory.
#ifndef VMASCOPE_NAMES_H
#define VMASCOPE_NAMES_H

#define PATH_STEPS 64  // names and mount points of a path
#define NANOSECONDS 1000000000ULL

// One component towards the root, or across a mount point. Returns 1 at the end, also where there is no room for more. It
// is a function of its own, so that the verifier goes through one step and not through every sequence of steps.
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
	if (dentry == parent)
		return 1;
	if (len > 255 || w->at <= len) {
		s->file.flags |= VME_FILE_CUT;
		return 1;
	}
	w->at -= len;
	// The masks tell the verifier what the test above has made sure of.
	bpf_probe_read_kernel(&s->file.path[w->at & (VME_PATH_MAX - 1)], len & 255,
			      BPF_CORE_READ(dentry, d_name.name));
	w->at--;
	s->file.path[w->at & (VME_PATH_MAX - 1)] = '/';
	w->dentry = (u64)parent;
	return 0;
}

// What tells a file from others that come to lie at the same address, or get the same number: compilers remove
// and write programs all the time.
static __always_inline u64 file_mark(u64 inode)
{
	return inode ^ (u64)FIELD(struct inode, inode, i_generation) << 1;
}

static __always_inline u32 inode_key(u64 mark)
{
	return (u32)(mark >> 1);
}

// The bit in a file's entry that says that the path was sent as deleted. No mark has it: an
// inode's address is a multiple of eight.
#define SENT_AS_DELETED 1

// Whether a file that is in a tree has no name there any more (d_unlinked).
static __always_inline bool is_deleted(u64 file)
{
	struct dentry *dentry = BPF_CORE_READ((struct file *)file, f_path.dentry);

	return !BPF_CORE_READ(dentry, d_hash.pprev) && BPF_CORE_READ(dentry, d_parent) != dentry;
}

// The name that the kernel gave a file which is in no directory.
static __always_inline void pseudo_name(struct scratch *s, struct dentry *dentry)
{
	u32 len = BPF_CORE_READ(dentry, d_name.len);

	s->file.flags = VME_FILE_PSEUDO;
	if (len > 255)
		return;
	s->walk.at -= len;
	bpf_probe_read_kernel(&s->file.path[s->walk.at & (VME_PATH_MAX - 1)], len & 255,
			      BPF_CORE_READ(dentry, d_name.name));
}

// When the file's content was last changed: who reads it later wants to know whether it is still that content.
static __always_inline u64 modified(struct inode *inode)
{
	struct inode___between *between = (void *)inode;
	struct inode___before *before = (void *)inode;

	if (bpf_core_field_exists(struct inode, i_mtime_sec))
		return (u64)BPF_CORE_READ(inode, i_mtime_sec) * NANOSECONDS +
		       BPF_CORE_READ(inode, i_mtime_nsec);
	if (bpf_core_field_exists(between->__i_mtime))
		return (u64)BPF_CORE_READ(between, __i_mtime.tv_sec) * NANOSECONDS +
		       (u64)BPF_CORE_READ(between, __i_mtime.tv_nsec);
	if (bpf_core_field_exists(before->i_mtime))
		return (u64)BPF_CORE_READ(before, i_mtime.tv_sec) * NANOSECONDS +
		       (u64)BPF_CORE_READ(before, i_mtime.tv_nsec);
	return 0;
}

// The path as the host sees it, a container's own prefix included.
__noinline int tell_file(u64 file, u64 inode)
{
	struct scratch *s = scratch();
	struct dentry *dentry, *root;
	u64 seen = file_mark(inode);
	int i;

	if (!s)
		return 0;
	begin(&s->file.h, VME_FILE, 0, 0);
	s->file.file = file;
	s->file.inode = inode_key(seen);
	s->file.generation = FIELD(struct inode, inode, i_generation);
	s->file.number = FIELD(struct inode, inode, i_ino);
	s->file.device = BPF_CORE_READ((struct inode *)inode, i_sb, s_dev);
	s->file.size = (u64)BPF_CORE_READ((struct inode *)inode, i_size);
	s->file.modified = modified((struct inode *)inode);
	s->file.flags = 0;
	s->file.path[VME_PATH_MAX - 1] = 0;
	s->walk.at = VME_PATH_MAX - 1;
	dentry = BPF_CORE_READ((struct file *)file, f_path.dentry);
	root = BPF_CORE_READ((struct file *)file, f_path.mnt, mnt_root);
	s->file.magic = (u32)BPF_CORE_READ(dentry, d_sb, s_magic);
	s->walk.dentry = (u64)dentry;
	s->walk.mnt = (u64)BPF_CORE_READ((struct file *)file, f_path.mnt);
	if (BPF_CORE_READ(dentry, d_parent) == dentry && dentry != root) {
		pseudo_name(s, dentry);
	} else {
		if (is_deleted(file)) {
			s->file.flags = VME_FILE_DELETED;
			seen |= SENT_AS_DELETED;
		}
		ROLLED
		for (i = 0; i < PATH_STEPS; i++)
			if (path_step())
				break;
		if (i == PATH_STEPS)
			s->file.flags |= VME_FILE_CUT;
	}
	s->file.at = s->walk.at;
	if (emit(&s->file, sizeof(s->file)))  // or it is sent the next time
		bpf_map_update_elem(&sent_once, &file, &seen, BPF_ANY);
	return 0;
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
	if (!bpf_map_lookup_elem(&sent_once, &hash)) {
		begin(&s->name.h, VME_NAME, 0, 0);
		s->name.name = hash;
		if (emit(&s->name, sizeof(s->name)))
			bpf_map_update_elem(&sent_once, &hash, &one, BPF_ANY);
	}
	return hash;
}

// Sets the fields that distinguish a row's file from others. Returns whether its path has been
// sent: not if the file is new, or another one where a closed one was.
static __always_inline bool knows_file(struct vme_row *row, u64 *inode)
{
	u64 file = row->file, mark, *seen;

	row->inode = 0;
	if (!file)
		return true;
	*inode = as_number(FIELD(struct file, file, f_inode));
	mark = file_mark(*inode);
	row->inode = inode_key(mark);
	seen = bpf_map_lookup_elem(&sent_once, &file);
	return seen && (*seen & ~(u64)SENT_AS_DELETED) == mark;
}

// Whether the path that was sent for the row's file still holds: the file may have lost its name
// since. For rows that are read from outside, or at the end of an address space; to ask at each
// change would cost too much.
static __always_inline bool is_as_sent(struct vme_row *row)
{
	u64 file = row->file, *seen;

	if (!file)
		return true;
	seen = bpf_map_lookup_elem(&sent_once, &file);
	return !seen || *seen & SENT_AS_DELETED || !is_deleted(file);
}

static __always_inline void tell_deleted(struct vme_row *row)
{
	if (!is_as_sent(row))
		tell_file(row->file, as_number(FIELD(struct file, row->file, f_inode)));
}

static __always_inline void name_file(struct vme_row *row)
{
	u64 inode;

	if (!knows_file(row, &inode))
		tell_file(row->file, inode);
}

#endif
