// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Layout, and the tracepoint source: write sections of the mmap_lock.
//
// Every change of an address space happens between "mmap_lock acquired for writing" and
// "released", on one thread, and both are tracepoints (include/linux/mmap_lock.h) that fire
// while the lock is held. So what is read there cannot change under us, and the ring holds it
// in the order in which the kernel did it. maple_tree:ma_write says which ranges the section
// stored to; the syscall's own arguments say what it may have erased or changed in place,
// which ma_write does not tell.
#ifndef VMASCOPE_SECTIONS_H
#define VMASCOPE_SECTIONS_H

// The open sections, by thread. A thread holds one mmap_lock for writing at a time, but for
// fork, whose child's is nested. Not task storage: on newer kernels that can't be had where
// the processor has no cmpxchg16b.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct section);
} sections SEC(".maps");

static __always_inline struct section *open_section(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&sections, &tid);
}

// Sends the stack in the scratch memory unless it has been; returns its key.
__noinline u64 tell_stack(void)
{
	struct scratch *s = scratch();
	u64 key = FNV_OFFSET, one = 1;
	u32 i, count;

	if (!s)
		return 0;
	count = s->stack.count;
	if (count > VME_CALLS_MAX)
		return 0;
	for (i = 0; i < VME_CALLS_MAX; i++) {
		if (i >= count)
			break;
		key = mix(key, s->stack.addresses[i]);
	}
	if (bpf_map_lookup_elem(&told, &key))
		return key;
	begin(s, &s->stack.h, VME_CALLS, 0, 0);
	s->stack.key = key;
	if (emit(s, &s->stack, sizeof(s->stack) - (VME_CALLS_MAX - count) * sizeof(u64)))
		bpf_map_update_elem(&told, &key, &one, BPF_ANY);
	return key;
}

// The key of the current task's user stack, or 0. Not by the kernel's own table of stacks: that
// can only be read by a syscall, during which kprobes on that processor skip their programs
// (bpf_disable_instrumentation).
static __always_inline u64 user_stack(void *ctx)
{
	struct scratch *s = scratch();
	long bytes;

	if (!config.want_stacks || !s)
		return 0;
	bytes = bpf_get_stack(ctx, s->stack.addresses, sizeof(s->stack.addresses), BPF_F_USER_STACK);
	if (bytes <= 0)
		return 0;
	s->stack.count = (u32)bytes / sizeof(u64);
	return tell_stack();
}

static __always_inline void read_section(struct section *c, u32 reason)
{
	if (c->lo < c->hi && !emit_rows(c->mm, c->lo, c->hi, c->tgid, reason))
		c->flags |= VME_INCOMPLETE;
	if (c->lo2 < c->hi2 && !emit_rows(c->mm, c->lo2, c->hi2, c->tgid, reason))
		c->flags |= VME_INCOMPLETE;
}

static __always_inline void section_begin(u64 mm, struct owner *o)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct scratch *s = scratch();
	struct section *c;

	section_opens(o);
	if (!s)
		return;
	// Not on the stack, which older kernels want to be smaller than this and what it calls need.
	__builtin_memset(&s->opening, 0, sizeof(s->opening));
	s->opening.mm = mm;
	s->opening.tgid = o->tgid;
	bpf_map_update_elem(&sections, &tid, &s->opening, BPF_ANY);
	c = bpf_map_lookup_elem(&sections, &tid);
	if (!c) {
		take_number();  // a gap: the loader counts a loss
		return;
	}
	c->flags = (u64)BPF_CORE_READ(task, mm) == mm ? 0 : VME_FOREIGN;
	read_syscall(&c->nr, c->args, &c->flags);
	expected_range(c);
	if (config.read_before)
		read_section(c, VME_BEFORE);
}

static __always_inline void section_end(void *ctx, u64 mm, struct owner *o)
{
	struct section *c = open_section();
	struct scratch *s = scratch();
	u32 tid;

	if (!c || c->mm != mm || !s)
		return;
	if (c->lo < c->hi || c->lo2 < c->hi2) {
		u64 stack;

		read_section(c, VME_AFTER);
		stack = user_stack(ctx);
		begin(s, &s->section.h, VME_SECTION, mm, c->tgid);
		s->section.nr = c->nr;
		s->section.one_in = c->one_in;
		s->section.stack = stack;
		__builtin_memcpy(s->section.args, c->args, sizeof(c->args));
		s->section.lo = c->lo;
		s->section.hi = c->hi;
		s->section.lo2 = c->lo2;
		s->section.hi2 = c->hi2;
		s->section.writes = c->writes;
		s->section.flags = c->flags;
		s->section.map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
		emit(s, &s->section, sizeof(s->section));
	}
	section_closes(o);
	tid = (u32)bpf_get_current_pid_tgid();
	bpf_map_delete_elem(&sections, &tid);
}

// The lock had been taken before its mm was observed, or the section found no room: what it
// changed is not known.
static __always_inline void section_unseen(u64 mm, struct owner *o)
{
	struct scratch *s = scratch();

	section_closes(o);
	if (!s)
		return;
	begin(s, &s->section.h, VME_SECTION, mm, o->tgid);
	__builtin_memset((void *)&s->section + sizeof(s->section.h), 0, sizeof(s->section) - sizeof(s->section.h));
	s->section.nr = -1;
	s->section.flags = VME_INCOMPLETE;
	emit(s, &s->section, sizeof(s->section));
}

// The last user of an mm is gone: its VMAs stand as they are until exit_mmap() frees them.
static __always_inline void mm_exit(u64 mm, struct owner *o)
{
	struct scratch *s = scratch();
	u32 tgid = o->tgid;

	if (!s)
		return;
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_AUDIT);
	begin(s, &s->life.h, VME_EXIT, mm, tgid);
	s->life.other_mm = 0;
	s->life.other_tgid = 0;
	s->life.map_count = BPF_CORE_READ((struct mm_struct *)mm, map_count);
	bpf_get_current_comm(s->life.comm, sizeof(s->life.comm));
	emit(s, &s->life, sizeof(s->life));
	bpf_map_delete_elem(&tracked, &mm);
}

#include "flow.h"

static __always_inline void acquired(void *ctx, u64 mm, bool write, bool success)
{
	struct owner *o;

	if (!success)
		return;
	if (config.everyone)
		return flow_acquired(ctx, as_number((void *)mm), write);
	o = owner_of(mm);
	if (!o)
		return;
	mm = as_number((void *)mm);
	if (!BPF_CORE_READ((struct mm_struct *)mm, mm_users.counter))
		mm_exit(mm, o);
	else if (write)
		section_begin(mm, o);
	else  // also told when a writer is about to become a reader
		section_end(ctx, mm, o);
}

static __always_inline void released(void *ctx, u64 mm, bool write)
{
	struct owner *o;
	struct section *c;

	if (!write)
		return;
	if (config.everyone)
		return flow_released(ctx, as_number((void *)mm));
	o = owner_of(mm);
	if (!o)
		return;
	mm = as_number((void *)mm);
	c = open_section();
	if (c && c->mm == mm)
		section_end(ctx, mm, o);
	else
		section_unseen(mm, o);
}

SEC("?tp_btf/mmap_lock_acquire_returned")
int lock_acquired(u64 *ctx)
{
	acquired(ctx, ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("?tp_btf/mmap_lock_released")
int lock_released(u64 *ctx)
{
	released(ctx, ctx[0], ctx[1]);
	return 0;
}

// Up to 6.12 the second argument is the path of the memory cgroup.
SEC("?tp_btf/mmap_lock_acquire_returned")
int lock_acquired_memcg(u64 *ctx)
{
	acquired(ctx, ctx[0], ctx[2], ctx[3]);
	return 0;
}

SEC("?tp_btf/mmap_lock_released")
int lock_released_memcg(u64 *ctx)
{
	released(ctx, ctx[0], ctx[2]);
	return 0;
}

// The section stores to [lo, hi).
static __always_inline void note_write(struct section *c, u64 lo, u64 hi)
{
	struct scratch *s = scratch();

	c->writes++;
	if (c->lo < c->hi && lo <= c->hi && hi >= c->lo) {
		c->lo = lo < c->lo ? lo : c->lo;
		c->hi = hi > c->hi ? hi : c->hi;
	} else if (c->lo2 < c->hi2) {
		c->lo2 = lo < c->lo2 ? lo : c->lo2;
		c->hi2 = hi > c->hi2 ? hi : c->hi2;
	} else {
		// mas_store_prealloc() tells before it stores, so the tree still shows what was.
		c->lo2 = lo;
		c->hi2 = hi;
		if (!config.read_before || !s)
			return;
		// __vma_adjust() moves the start, stores, and then sets the offset.
		s->late_pgoff = config.late_pgoff && c->nr == NR_mremap;
		if (!emit_rows(c->mm, lo, hi, c->tgid, VME_BEFORE))
			c->flags |= VME_INCOMPLETE;
		s->late_pgoff = 0;
	}
}

// The side tree of a munmap, a child's tree, and those of other subsystems are not the mm's.
SEC("?tp_btf/ma_write")
int tree_write(u64 *ctx)
{
	struct ma_state *mas = (void *)ctx[1];
	struct section *c = open_section();

	if (c && (u64)BPF_CORE_READ(mas, tree) == c->mm + bpf_core_field_offset(struct mm_struct, mm_mt))
		note_write(c, BPF_CORE_READ(mas, index), BPF_CORE_READ(mas, last) + 1);
	return 0;
}

// The same by way of perf, which keeps the processor to itself, where the kernel may preempt
// programs that are attached to the tracepoints themselves, and skip others meanwhile.
SEC("?tp/mmap_lock/mmap_lock_acquire_returned")
int lock_acquired_perf(struct trace_event_raw_mmap_lock_acquire_returned *ctx)
{
	acquired(ctx, (u64)BPF_CORE_READ(ctx, mm), BPF_CORE_READ(ctx, write), BPF_CORE_READ(ctx, success));
	return 0;
}

SEC("?tp/mmap_lock/mmap_lock_released")
int lock_released_perf(struct trace_event_raw_mmap_lock *ctx)
{
	released(ctx, (u64)BPF_CORE_READ(ctx, mm), BPF_CORE_READ(ctx, write));
	return 0;
}

// It does not tell which tree. Others' entries are no VMAs of this mm, or not at their place: the
// side tree of a munmap counts them from 0.
SEC("?tp/maple_tree/ma_write")
int tree_write_perf(struct trace_event_raw_ma_write *ctx)
{
	struct section *c = open_section();
	struct vm_area_struct *vma = BPF_CORE_READ(ctx, val);
	u64 lo = BPF_CORE_READ(ctx, index), hi = BPF_CORE_READ(ctx, last) + 1;

	if (c && !((lo | hi) & (PAGE_SIZE - 1)) && (!vma || (u64)BPF_CORE_READ(vma, vm_mm) == c->mm))
		note_write(c, lo, hi);
	return 0;
}

#endif
