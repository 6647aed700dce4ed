// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The whole layout of a running process, read from outside. No lock is held throughout: the
// loader applies the events that came meanwhile on top, so nothing is missed or counted twice.
#ifndef VMASCOPE_SNAPSHOT_H
#define VMASCOPE_SNAPSHOT_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VME_SNAPSHOT_ROWS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_row);
} snapshot_rows SEC(".maps");

#ifndef WITHOUT_KFUNCS
struct bpf_iter_task_vma {
	u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
				 u64 addr) __ksym __weak;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym __weak;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym __weak;
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *p) __ksym __weak;

enum stop { GOES_ON, IS_FULL, IS_DONE, NEEDS_LOCKS };

struct reading {
	u64 task, mm;
	u64 from;        // address to go on at
	u64 leaf, last;  // the leaf of the tree that is being read, and its end
	u64 end;         // of the last row
	u32 count;       // rows, which are good up to `from`
	u32 stop;        // enum stop
};

static __always_inline u32 sequence_of(u64 mm)
{
	return FIELD(struct mm_struct___seqcount, mm, mm_lock_seq.sequence);
}

// Nobody has held the lock for writing since `sequence` was read, and the task still has this mm.
static __always_inline bool stood_still(struct reading *r, u32 sequence)
{
	return !(sequence & 1) && sequence_of(r->mm) == sequence &&
	       (u64)FIELD(struct task_struct, r->task, mm) == r->mm;
}

// The row of a VMA, if no text has to be sent for it: to read a text, its memory has to stay
// there meanwhile.
__noinline int read_row(struct vme_row *row, u64 vma)
{
	struct scratch *s = scratch();
	u64 inode;

	return row && s && row_read(s, vma, row) && !s->anon_name && knows_file(row, &inode) &&
	       is_as_sent(row);
}

// Returns 1 after the leaf's last slot, and where it can't go on.
static long read_slot(u32 slot, struct reading *r)
{
	u64 pivot = slot < LEAF_PIVOTS ? word_at(r->leaf + (1 + slot) * sizeof(u64)) : 0;
	u64 entry = word_at(r->leaf + (1 + LEAF_PIVOTS + slot) * sizeof(u64));
	struct vme_row *row;

	if (entry && !(pivot && pivot < r->from)) {
		row = bpf_map_lookup_elem(&snapshot_rows, &r->count);
		if (!row) {
			r->stop = IS_FULL;
			return 1;
		}
		if (entry & 3 || !read_row(row, entry)) {
			r->stop = NEEDS_LOCKS;
			return 1;
		}
		r->end = row->end;
		r->count++;
	}
	return !pivot || pivot >= r->last;
}

// Reads the leaf that `from` is in, without a lock: the rows are right if no writer was at work
// meanwhile.
static __always_inline void read_leaf(struct scratch *s, struct reading *r)
{
	u32 sequence = sequence_of(r->mm), count = r->count;

	look_at(s, r->mm);
	s->place.addr = r->from;
	r->stop = NEEDS_LOCKS;
	if (!tree_find(r->mm) || s->place.leaf_lo > s->place.leaf_last)
		return;
	r->leaf = s->place.leaf;
	r->last = s->place.leaf_last;
	r->stop = GOES_ON;
	bpf_loop(LEAF_PIVOTS + 1, read_slot, r, 0);
	if (!stood_still(r, sequence))
		r->stop = NEEDS_LOCKS;
	if (r->stop == NEEDS_LOCKS)
		r->count = count;
	else
		r->from = r->stop == IS_FULL ? r->end : r->last + 1;
	if (!r->stop && (!r->from || r->from > ADDRESS_LIMIT))
		r->stop = IS_DONE;
}

// It is a function of its own, so that the verifier goes through one leaf and not through every
// sequence of leaves.
__noinline int leaf_step(struct reading *r)
{
	struct scratch *s = scratch();
	struct reading on_stack;  // as bpf_loop() wants it

	if (!r || !s)
		return NEEDS_LOCKS;
	on_stack = *r;
	read_leaf(s, &on_stack);
	*r = on_stack;
	return on_stack.stop;
}

static long read_next(u32 index, struct reading *r)
{
	int stop;

	hold_cpu();
	stop = leaf_step(r);
	let_cpu_go();
	return stop != GOES_ON;
}

// The rows from `from` on, one VMA locked at a time. Returns 0 or a negative errno.
static __always_inline int read_locked(struct task_struct *task, struct reading *r)
{
	struct bpf_iter_task_vma it;
	struct scratch *s = scratch();
	struct vm_area_struct *vma;
	int error;

	if (!s)
		return 0;
	r->stop = IS_DONE;
	error = bpf_iter_task_vma_new(&it, task, r->from);
	while ((vma = bpf_iter_task_vma_next(&it))) {
		struct vme_row *row = bpf_map_lookup_elem(&snapshot_rows, &r->count);

		if (!row) {
			r->stop = IS_FULL;
			break;
		}
		hold_cpu();
		look_at(s, r->mm);
		if (row_fill(as_number(vma))) {
			*row = s->row;
			tell_deleted(row);
		}
		let_cpu_go();
		r->from = row->end;
		r->count++;
	}
	bpf_iter_task_vma_destroy(&it);
	if (!error || !r->count)
		return error;
	r->stop = IS_FULL;  // of what could be read without the lock
	return 0;
}

static __always_inline bool leaves_can_be_read(void)
{
	return HAS_CAST && bpf_core_field_exists(struct mm_struct___seqcount, mm_lock_seq.sequence);
}

SEC("?syscall")
int snapshot_task(struct vme_snapshot *request)
{
	struct task_struct *task = bpf_task_from_pid(request->pid);
	struct reading r = { .from = request->from };
	u64 sections, mm;

	request->error = -3;
	if (!task)
		return 0;
	reading_begins();
	request->error = 0;
	r.task = as_number(task);
	mm = (u64)BPF_CORE_READ(task, mm);
	request->mm = mm;
	if (mm) {
		r.mm = mm;
		request->map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
		sections = sections_of(mm);
		if (leaves_can_be_read())
			bpf_loop(VME_SNAPSHOT_ROWS, read_next, &r, 0);
		if (r.stop == GOES_ON || r.stop == NEEDS_LOCKS)
			request->error = read_locked(task, &r);
		// A writer may have been at work between two rows.
		request->sections = sections_of(mm) == sections ? sections : VME_BUSY;
		if ((u64)BPF_CORE_READ(task, mm) != mm)
			request->error =
				-16;  // the task has left it meanwhile, and may have another one
	}
	if (!request->error)
		request->from = r.from;
	request->count = r.count;
	request->more = r.stop == IS_FULL;
	reading_ends();
	bpf_task_release(task);
	return 0;
}
#endif

// The request of the two programs below, and their result. The loader writes it to mapped memory:
// during a syscall that changes a map, kprobes on that processor skip their programs.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_snapshot);
} snapshot_request SEC(".maps");

static __always_inline struct vme_snapshot *requested(struct task_struct *task)
{
	struct vme_snapshot *r = only(&snapshot_request);

	return r && task && BPF_CORE_READ(task, pid) == r->pid ? r : 0;
}

static __always_inline int read_iterated(struct bpf_iter__task_vma *ctx, struct task_struct *task,
					 struct vm_area_struct *vma, struct vme_snapshot *r)
{
	struct scratch *s = scratch();
	u64 head[2];

	if (!s)
		return 1;
	head[0] = (u64)BPF_CORE_READ(vma, vm_mm);
	if (!r->mm)
		r->mm = head[0];
	look_at(s, head[0]);
	// The task has left the address space meanwhile. 1 ends the read with EAGAIN: the kernel would go on for a million
	// VMAs of which no row is written, and where it begins again and again it would not end.
	if (head[0] != r->mm || (u64)BPF_CORE_READ(task, mm) != r->mm ||
	    !row_fill(as_number(vma))) {
		r->error = -16;
		return 1;
	}
	tell_deleted(&s->row);
	head[1] = sections_of(head[0]);
	bpf_seq_write(ctx->meta->seq, head, sizeof(head));
	bpf_seq_write(ctx->meta->seq, &s->row, sizeof(struct vme_row));
	return 0;
}

// Where no program may call the iterator: read(2) on this one gives the rows. It takes the lock
// for reading while it fills its buffer, so the rows of one buffer are consistent.
SEC("?iter/task_vma")
int snapshot_iter(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct vme_snapshot *r = requested(task);
	int result;

	if (!task || !vma)
		return 0;  // the end
	if (!r)
		return 1;
	reading_begins();
	result = read_iterated(ctx, task, vma, r);
	reading_ends();
	return result;
}

static __always_inline void walk(struct task_struct *task, struct vme_snapshot *r)
{
	struct scratch *s = scratch();
	u64 mm = (u64)BPF_CORE_READ(task, mm), sections;

	r->error = 0;
	r->mm = mm;
	if (!mm || !s)
		return;
	sections = sections_of(mm);
	r->map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
	r->more = !emit_rows(mm, r->from, ADDRESS_LIMIT, BPF_CORE_READ(task, tgid), VME_SNAPSHOT);
	r->from = s->span.lo;
	r->count = s->span.sent;
	r->sections = sections_of(mm) == sections ? sections : VME_BUSY;
	if ((u64)BPF_CORE_READ(task, mm) != mm)
		r->error = -16;
}

// Where no iterator over VMAs can be limited to a task (before 6.1): this one, over tasks, sends
// the rows of the requested task through the ring. `count` is the number of records.
SEC("?iter/task")
int snapshot_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct vme_snapshot *r = requested(task);

	if (!r)
		return 0;
	reading_begins();
	walk(task, r);
	reading_ends();
	return 0;
}

#endif
