// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The whole layout of a running process, read from outside. It is not taken under a lock: the
// loader puts the events that came meanwhile on top, so nothing is missed or counted twice.
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

extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task, u64 addr) __ksym __weak;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym __weak;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym __weak;
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *p) __ksym __weak;

SEC("?syscall")
int snapshot_task(struct vme_snapshot *r)
{
	struct task_struct *task = bpf_task_from_pid(r->pid);
	struct bpf_iter_task_vma it;
	struct scratch *s = scratch();
	struct vm_area_struct *vma;
	u64 mm, sections, from = r->from;
	u32 n = 0, more = 0;

	r->error = -3;
	if (!task)
		return 0;
	if (!s) {
		bpf_task_release(task);
		return 0;
	}
	r->error = 0;
	mm = (u64)BPF_CORE_READ(task, mm);
	r->mm = mm;
	if (mm) {
		r->map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
		sections = sections_of(mm);
		r->error = bpf_iter_task_vma_new(&it, task, from);
		while ((vma = bpf_iter_task_vma_next(&it))) {
			struct vme_row *row = bpf_map_lookup_elem(&snapshot_rows, &n);

			if (!row) {
				more = 1;
				break;
			}
			hold_cpu();
			look_at(s, mm);
			if (row_fill(as_number(vma)))
				*row = s->row;
			let_cpu_go();
			from = row->end;
			n++;
		}
		bpf_iter_task_vma_destroy(&it);
		// It locks single VMAs only, so a writer may be at work.
		r->sections = sections_of(mm) == sections ? sections : VME_BUSY;
	}
	r->from = from;
	r->count = n;
	r->more = more;
	bpf_task_release(task);
	return 0;
}
#endif

// Kernels without the iterator as a kfunc (before 6.7): read(2) on this one gives the rows.
SEC("?iter/task_vma")
int snapshot_iter(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct scratch *s = scratch();
	u64 mm;

	if (!task || !vma || !s)
		return 0;
	mm = (u64)BPF_CORE_READ(vma, vm_mm);
	look_at(s, mm);
	if (!row_fill(as_number(vma)))
		return 0;
	bpf_seq_write(ctx->meta->seq, &mm, sizeof(mm));
	bpf_seq_write(ctx->meta->seq, &s->row, sizeof(struct vme_row));
	return 0;
}

#endif
