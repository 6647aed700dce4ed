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

static __always_inline bool is_writer(struct vme_owner *o)
{
	return o->writer == current_tid();
}

// The owner of `mm`, if the current thread has a section of it open that is told.
static __always_inline struct vme_owner *writer_of(u64 mm)
{
	struct vme_owner *o = owner_of(mm);

	return o && is_writer(o) && (!config.everyone || o->section.one_in) ? o : 0;
}

// A function of its own, so that the verifier does not look at what follows for each count.
__noinline u64 hash_stack(void)
{
	struct scratch *s = scratch();
	u64 key = FNV_OFFSET;
	u32 i;

	if (!s)
		return 0;
	for (i = 0; i < VME_CALLS_MAX; i++) {
		if (i >= s->stack.count)
			break;
		key = mix(key, s->stack.addresses[i]);
	}
	return key & ~(VME_STACK_KNOWN | VME_STACK_COPIED);
}

// Sends the stack in the scratch memory unless it has been; returns its key.
__noinline u64 tell_stack(void)
{
	struct scratch *s = scratch();
	u64 key = hash_stack(), one = 1;
	u32 count;

	if (!s || s->stack.count > VME_CALLS_MAX || bpf_map_lookup_elem(&told, &key))
		return key;
	begin(&s->stack.h, VME_CALLS, 0, 0);
	s->stack.key = key;
	count = s->stack.count;
	if (count > VME_CALLS_MAX)
		return key;
	if (emit(&s->stack, sizeof(s->stack) - (VME_CALLS_MAX - count) * sizeof(u64)))
		bpf_map_update_elem(&told, &key, &one, BPF_ANY);
	return key;
}

// The key of the current task's user stack, or 0. Not by the kernel's own table of stacks: that
// can only be read by a syscall, during which kprobes on that processor skip their programs
// (bpf_disable_instrumentation).
static __always_inline u64 any_user_stack(void *ctx, u64 mm)
{
	struct scratch *s = scratch();
	long bytes;

	// Another process's stack means nothing in this address space.
	if (!s || current_mm() != mm)
		return 0;
	if (config.copy_bytes)
		return call_path(mm);
	bytes = bpf_get_stack(ctx, s->stack.addresses, sizeof(s->stack.addresses),
			      BPF_F_USER_STACK);
	if (bytes <= 0)
		return 0;
	s->stack.count = (u32)bytes / sizeof(u64);
	return tell_stack();
}

static __always_inline u64 user_stack(void *ctx, u64 mm)
{
	return config.want_stacks ? any_user_stack(ctx, mm) : 0;
}

#include "refusals.h"

// Returns how many VMAs begin or end where the section may have changed something.
static __always_inline u32 read_section(u64 mm, struct vme_owner *o, u32 reason)
{
	struct vme_section *c = &o->section;
	struct scratch *s = scratch();
	u32 edges = 0;

	if (c->lo < c->hi) {
		if (!emit_rows(mm, c->lo, c->hi, o->tgid, reason))
			c->flags |= VME_INCOMPLETE;
		edges += s ? s->span.edges : 0;
	}
	if (c->lo2 < c->hi2) {
		if (!emit_rows(mm, c->lo2, c->hi2, o->tgid, reason))
			c->flags |= VME_INCOMPLETE;
		edges += s ? s->span.edges : 0;
	}
	return edges;
}

static __always_inline void clear_section(struct vme_section *c)
{
	__builtin_memset((void *)c + sizeof(c->h), 0, sizeof(*c) - sizeof(c->h));
}

// `one_in`: how many sections it was chosen from, 0 where all are told.
static __always_inline void section_begin(u64 mm, struct vme_owner *o, u32 one_in)
{
	struct vme_section *c = &o->section;

	section_opens(o);
	clear_section(c);
	c->one_in = one_in;
	c->flags = current_mm() == mm ? 0 : VME_FOREIGN;
	read_syscall(&c->nr, c->args, &c->flags);
	expected_range(mm, c);
	refusals_begin(mm, o);
	if (config.read_before)
		read_section(mm, o, VME_BEFORE);
}

// Returns whether there was anything to tell.
static __always_inline bool section_end(void *ctx, u64 mm, struct vme_owner *o)
{
	struct vme_section *c = &o->section;
	bool is_told = c->lo < c->hi || c->lo2 < c->hi2;

	if (is_told) {
		// Within one VMA nothing is left that a caller would be charged with.
		if (read_section(mm, o, VME_AFTER) && !c->stack)
			c->stack = user_stack(ctx, mm);
		c->map_count = FIELD(struct mm_struct, mm, map_count);
		begin(&c->h, VME_SECTION, mm, o->tgid);
		emit(c, sizeof(*c));
	}
	if (!config.everyone)
		refusals_end(ctx, mm, o);
	section_closes(o);
	return is_told;
}

// The lock had been taken before its mm was observed: what it changed is not known.
static __always_inline void section_unseen(u64 mm, struct vme_owner *o)
{
	section_closes(o);
	clear_section(&o->section);
	o->section.nr = -1;
	o->section.flags = VME_INCOMPLETE;
	begin(&o->section.h, VME_SECTION, mm, o->tgid);
	emit(&o->section, sizeof(o->section));
}

// The last user of an mm is gone: its VMAs stand as they are until exit_mmap() frees them.
static __always_inline void mm_exit(u64 mm, struct vme_owner *o)
{
	struct scratch *s = scratch();
	u32 tgid = o->tgid;

	if (!s)
		return;
	tell_untold(mm, o);
	emit_rows(mm, 0, ADDRESS_LIMIT, tgid, VME_AUDIT);
	begin(&s->life.h, VME_EXIT, mm, tgid);
	s->life.other_mm = 0;
	s->life.other_tgid = 0;
	s->life.map_count = FIELD(struct mm_struct, mm, map_count);
	bpf_get_current_comm(s->life.comm, sizeof(s->life.comm));
	emit(&s->life, sizeof(s->life));
	bpf_map_delete_elem(&tracked, &mm);
}

#include "mode/flow.h"

static __always_inline void acquired(void *ctx, u64 mm, bool write, bool success)
{
	struct vme_owner *o;

	if (!success)
		return;
	mm = as_number((void *)mm);
	if (config.everyone)
		return flow_acquired(ctx, mm, write);
	o = owner_of(mm);
	if (!o)
		return;
	if (!FIELD(struct mm_struct, mm, mm_users.counter))
		mm_exit(mm, o);
	else if (write)
		section_begin(mm, o, 0);
	else if (is_writer(o))  // also told when a writer is about to become a reader
		section_end(ctx, mm, o);
}

static __always_inline void released(void *ctx, u64 mm, bool write)
{
	struct vme_owner *o;

	if (!write)
		return;
	mm = as_number((void *)mm);
	if (config.everyone)
		return flow_released(ctx, mm);
	o = owner_of(mm);
	if (!o)
		return;
	if (is_writer(o))
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
static __always_inline void note_write(u64 mm, struct vme_owner *o, u64 lo, u64 hi)
{
	struct vme_section *c = &o->section;
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
		if (!emit_rows(mm, lo, hi, o->tgid, VME_BEFORE))
			c->flags |= VME_INCOMPLETE;
		s->late_pgoff = 0;
	}
}

// The side tree of a munmap, a child's tree, and those of other subsystems are not the mm's.
SEC("?tp_btf/ma_write")
int tree_write(u64 *ctx)
{
	struct ma_state *mas = (void *)ctx[1];
	u64 mm = as_number(mas->tree) - bpf_core_field_offset(struct mm_struct, mm_mt);
	struct vme_owner *o = writer_of(mm);

	if (o)
		note_write(mm, o, mas->index, mas->last + 1);
	return 0;
}

// The same by way of perf, which keeps the processor to itself, where the kernel may preempt
// programs that are attached to the tracepoints themselves, and skip others meanwhile.
SEC("?tp/mmap_lock/mmap_lock_acquire_returned")
int lock_acquired_perf(struct trace_event_raw_mmap_lock_acquire_returned *ctx)
{
	acquired(ctx, (u64)ctx->mm, ctx->write, ctx->success);
	return 0;
}

SEC("?tp/mmap_lock/mmap_lock_released")
int lock_released_perf(struct trace_event_raw_mmap_lock *ctx)
{
	released(ctx, (u64)ctx->mm, ctx->write);
	return 0;
}

// It does not tell which tree. Others' entries are no VMAs of this mm, or not at their place: the
// side tree of a munmap counts them from 0.
SEC("?tp/maple_tree/ma_write")
int tree_write_perf(struct trace_event_raw_ma_write *ctx)
{
	struct vm_area_struct *vma = ctx->val;
	u64 lo = ctx->index, hi = ctx->last + 1,
	    mm = vma ? as_number(FIELD(struct vm_area_struct, vma, vm_mm)) : current_mm();
	struct vme_owner *o = writer_of(mm);

	if (o && !((lo | hi) & (PAGE_SIZE - 1)))
		note_write(mm, o, lo, hi);
	return 0;
}

#endif
