// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The mode of `vmascope system`: every address space is watched, all write sections are counted,
// a sample of them is recorded.
//
// The counts (write sections and, where the merging functions are hooked, merge attempts) are in
// the address space's own entry and change only under its own mmap_lock, so they are exact
// without an atomic. Whether a section is recorded in full (section/sections.h) is drawn when it
// begins, and its record has the chance with it. The chance depends on how many sections this
// address space has had, so that one busy process does not hide the others, and on how full the
// ring is, so that many that begin at once lose nothing.
//
// An address space that has had its allowance is muted until the next epoch: nothing is looked at
// but its pointer, and its sections are counted as such. Where even that costs too much, the
// loader leaves attached only what ends a section ("lean"): sections are counted then by what the
// last one left, and calls that were refused are seen still.
#ifndef VMASCOPE_SYSTEM_H
#define VMASCOPE_SYSTEM_H

static __always_inline struct vme_flow *new_flow(u64 mm)
{
	struct scratch *s = scratch();
	struct vme_control *control = flow_control();

	if (!s || !control)
		return 0;
	// In parts, and kept apart: clang clears and copies no more than 1024 bytes by itself.
	__builtin_memset(&s->flow, 0, sizeof(s->flow) - sizeof(s->flow.counts));
	barrier();
	__builtin_memset(s->flow.counts.sections, 0, sizeof(s->flow.counts.sections));
	barrier();
	__builtin_memset(s->flow.counts.attempts, 0, sizeof(s->flow.counts.attempts));
	__builtin_memset(s->flow.counts.merged, 0, sizeof(s->flow.counts.merged));
	s->flow.counts.told = 0;
	s->flow.counts.skipped = 0;
	s->flow.epoch = control->epoch;
	s->flow.born = bpf_ktime_get_ns();
	s->flow.owner.tgid = (u32)(bpf_get_current_pid_tgid() >> 32);
	if (bpf_map_update_elem(&flows, &mm, &s->flow, BPF_NOEXIST))
		__sync_fetch_and_add(&control->unseen, 1);
	return flow_of(mm);
}

// Back-pressure: halve the sampling rate for each sixteenth of the ring in use. Thousands of
// processes that begin at once would fill the ring before any of them has used its share. This is
// asked only for a section that would be recorded, since the ring's positions are in other CPUs'
// caches.
static __always_inline u32 crowd_one_in(void)
{
	u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
	u64 sixteenths = 16 * bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) / size;

	return 1U << (sixteenths < 10 ? sixteenths : 10);
}

static __always_inline struct vme_muted *muted_place(struct vme_control *control, u64 mm)
{
	return &control->muted[vme_muted_place(mm) & (VME_MUTED - 1)];
}

// Whether `mm` has had its allowance, as far as that shows without its entry. The end of an address space is seen
// whatever it did before.
static __always_inline bool is_muted(struct vme_control *control, u64 mm, bool ends_section)
{
	struct vme_muted *m;

	if (!control->allowance)
		return false;
	m = muted_place(control, mm);
	if (m->mm != mm || m->epoch != control->epoch ||
	    !FIELD(struct mm_struct, mm, mm_users.counter))
		return false;
	if (ends_section)
		m->skipped++;
	return true;
}

// Mutes `mm` until the next epoch, unless another one has its place, which then is found in its entry. What the place
// has counted goes into the entry that it is of.
static __always_inline void mute(struct vme_control *control, u64 mm)
{
	struct vme_muted *m = muted_place(control, mm);
	u32 epoch = control->epoch;

	if (m->mm == mm || !m->mm || m->epoch != epoch) {
		u32 skipped = m->skipped;
		struct vme_flow *old = skipped ? flow_of(m->mm) : 0;

		if (old)
			__sync_fetch_and_add(&old->counts.skipped, skipped);
		m->skipped = 0;
		m->mm = mm;
		m->epoch = epoch;
	}
}

// Several readers may be here at once: the next rate is off then, and a section's weight is right all the same.
static __always_inline void epoch_of(struct vme_control *control, struct vme_flow *f)
{
	if (f->epoch == control->epoch)
		return;
	f->base = control->target ? f->seen / control->target : 0;
	f->seen = 0;
	f->used = 0;
	f->epoch = control->epoch;
}

// Takes a section, or a lock for reading, from the allowance. Returns false if there is nothing left of it: what the
// address space was like at its last section will be out of date then. No section is open meanwhile.
static __always_inline bool spend(struct vme_control *control, u64 mm, struct vme_flow *f, u32 cost)
{
	f->used += cost;
	if (!control->allowance || f->used <= control->allowance)
		return true;
	f->watch = control->watch - 1;
	f->owner.writer = 0;
	mute(control, mm);
	return false;
}

static __always_inline bool chance(u32 one_in)
{
	return one_in == 1 || bpf_get_prandom_u32() % one_in == 0;
}

// Returns the weight of this section (one in so many is recorded); 0 if it is not recorded.
static __always_inline u32 choose_section(struct vme_control *control, struct vme_flow *f)
{
	u32 one_in, crowd = 1;

	one_in = control->one_in;
	if (!one_in) {
		if (!control->target)
			return 0;
		one_in = f->seen / control->target;
		one_in = 1 + (one_in > f->base ? one_in : f->base);
		one_in = one_in > control->least ? one_in : control->least;
	}
	f->seen++;
	if (!chance(one_in))
		return 0;
	if (!control->one_in)
		crowd = crowd_one_in();
	return chance(crowd) ? one_in * crowd : 0;
}

static __always_inline u32 syscall_operation(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	s32 nr;

	if (FIELD(struct task_struct, task, flags) & PF_KTHREAD)
		return config.other;
	if (bpf_core_field_exists(task->thread_info.status) &&
	    FIELD(struct task_struct, task, thread_info.status) & TS_COMPAT)
		return config.other;
	nr = (s32)BPF_CORE_READ(entry_registers(task), orig_ax);
	if (nr < 0)
		return config.stack;
	if (nr == NR_ioctl && is_userfaultfd(BPF_CORE_READ(entry_registers(task), si)))
		return config.userfaultfd;
	asm volatile("" : "+r"(nr));
	return (u32)nr < VME_SYSCALLS ? config.operations[(u32)nr] : config.other;
}

// Whether the current thread holds the lock of `f` for writing, and was seen to take it.
static __always_inline bool is_open(struct vme_flow *f)
{
	struct vme_control *control = flow_control();

	return is_writer(&f->owner) && control && f->watch == control->watch;
}

static __always_inline void note_state(u64 mm, struct vme_flow *f, s32 map_count)
{
	f->map_count = map_count;
	f->owner.map_count = map_count;
	f->owner.total_vm = FIELD(struct mm_struct, mm, total_vm);
}

// The recorded section of `f` is over, or its end was not seen.
static __always_inline void recording_ends(struct vme_control *control, struct vme_flow *f)
{
	if (f->owner.section.one_in && f->watch == control->watch)
		__sync_fetch_and_add(&control->recording, -1);
	f->owner.section.one_in = 0;
}

static __always_inline void flow_opens(struct vme_control *control, u64 mm, struct vme_flow *f,
				       s32 map_count)
{
	u32 one_in;

	recording_ends(control, f);
	epoch_of(control, f);
	if (!spend(control, mm, f, VME_COST_SECTION))
		return;
	one_in = choose_section(control, f);
	f->watch = control->watch;
	note_state(mm, f, map_count);
	f->owner.writer = current_tid();
	// The syscall's arguments say nothing about what exec or fork builds, or another process
	// changes.
	if (one_in && current_mm() == mm) {
		__sync_fetch_and_add(&control->recording, 1);
		section_begin(mm, &f->owner, one_in);
	}
}

// A section that left as many VMAs as it found, or the most that there may be. The operation comes first, so
// that a change of flags, of which there are many, costs nothing more. No other section has a stack here.
static __always_inline void flow_refused(void *ctx, u64 mm, struct vme_owner *o, s64 now,
					 u32 operation)
{
	struct scratch *s = scratch();
	u32 flags = 0;

	barrier_var(operation);  // the mask is for the verifier
	if (!s || current_mm() != mm ||
	    (!config.may_be_refused[operation & (VME_OPERATIONS - 1)] && now < (s64)map_limit()))
		return;
	read_syscall(&s->refusal.nr, s->refusal.args, &flags);
	if (s->refusal.nr >= 0 && !(flags & VME_COMPAT) &&
	    may_be_refused(mm, o, s->refusal.nr, s->refusal.args, now, false) &&
	    is_told(o, operation))
		note_refusal(ctx, mm, o, true);
}

static __always_inline void flow_closes(struct vme_control *control, void *ctx, u64 mm,
					struct vme_flow *f)
{
	s32 now = FIELD(struct mm_struct, mm, map_count);
	u32 count = VME_OUTCOMES * syscall_operation() + (now == f->map_count  ? VME_SAME
							  : now < f->map_count ? VME_FEWER
									       : VME_MORE);

	// By now the owner is known: a fork's child has no id of its own while it is copied.
	if (current_mm() == mm)
		f->owner.tgid = (u32)(bpf_get_current_pid_tgid() >> 32);
	asm volatile("" : "+r"(count));  // the bound is to be tested on the register that is used
	if (count < VME_OPERATIONS * VME_OUTCOMES)
		(&f->counts.sections[0][0])[count]++;
	f->owner.section.growth = now - f->map_count;
	if (now - f->map_count == 0 || now >= (s64)map_limit())
		flow_refused(ctx, mm, &f->owner, now, count / VME_OUTCOMES);
	if (f->owner.section.one_in) {
		// Stores were not seen since the loader began to leave only the end of sections attached.
		if (!control->lean && emit_section(ctx, mm, &f->owner))
			f->counts.told++;
		section_closes(&f->owner);
		recording_ends(control, f);
	}
	f->owner.writer = 0;
	note_state(mm, f, now);
}

enum { CONSIDERED, CARRIED_OUT };

// Where the functions that consider a merge are hooked, and the one that carries it out.
static __always_inline void count_attempt(u64 mm, u32 what)
{
	struct vme_flow *f = flow_of(mm);
	u32 operation;

	if (!f || !is_open(f))
		return;
	operation = syscall_operation();
	if (operation >= VME_OPERATIONS)
		return;
	if (what == CONSIDERED)
		f->counts.attempts[operation]++;
	else
		f->counts.merged[operation]++;
}

// A merge of [start, end) is considered.
static __always_inline void flow_proposes(u64 mm, u64 start, u64 end)
{
	struct vme_flow *f = flow_of(mm);

	count_attempt(mm, CONSIDERED);
	if (f) {
		f->start = start;
		f->end = end;
	}
}

// A VMA [lo, hi) is the result of what was proposed last, or of something else.
static __always_inline void flow_joins(u64 mm, u64 lo, u64 hi)
{
	struct vme_flow *f = flow_of(mm);

	if (f && f->start < f->end && lo <= f->start && hi >= f->end &&
	    hi - lo > f->end - f->start) {
		f->end = 0;
		count_attempt(mm, CARRIED_OUT);
	}
}

// What was counted of those that have ended, and whose entries the loader had not read before: of very many that begin
// and end a record each would cost more than all the rest.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct vme_counts);
} gone SEC(".maps");

static __noinline void add_gone(struct vme_flow *f)
{
	struct vme_counts *sum = only(&gone);
	u64 *counts = (void *)&f->counts;
	u32 i;

	if (!sum)
		return;
	for (i = 0; i < sizeof(*sum) / sizeof(u64); i++)
		if (counts[i])
			__sync_fetch_and_add((u64 *)sum + i, counts[i]);
}

static __always_inline void flow_ends(u64 mm, struct vme_flow *f)
{
	struct vme_control *control = flow_control();
	struct scratch *s = scratch();
	u32 untold = emit_leftover_refusals(mm, &f->owner);

	if (control) {
		struct vme_muted *m = muted_place(control, mm);

		if (untold)
			__sync_fetch_and_add(&control->refused, untold);
		recording_ends(control, f);
		// Whoever gets this pointer next is another one.
		if (m->mm == mm) {
			f->counts.skipped += m->skipped;
			m->mm = 0;
			m->skipped = 0;
		}
	}
	// No other record speaks of this one.
	if (control && f->born > control->counted && !f->counts.told && !f->owner.refused_time) {
		add_gone(f);
	} else if (s) {
		begin(&s->tally.h, VME_TALLY, mm, f->owner.tgid);
		s->tally.born = f->born;
		__builtin_memcpy(s->tally.counts.sections, f->counts.sections,
				 sizeof(f->counts.sections));
		barrier();
		__builtin_memcpy(s->tally.counts.attempts, f->counts.attempts,
				 sizeof(f->counts.attempts));
		__builtin_memcpy(s->tally.counts.merged, f->counts.merged,
				 sizeof(f->counts.merged));
		s->tally.counts.told = f->counts.told;
		s->tally.counts.skipped = f->counts.skipped;
		emit(&s->tally, sizeof(s->tally));
	}
	bpf_map_delete_elem(&flows, &mm);
}

// Whether `mm` has no user any more: exit_mmap() takes its lock then. Its entry ends with it.
static __always_inline bool has_gone(u64 mm, struct vme_flow *f)
{
	if (FIELD(struct mm_struct, mm, mm_users.counter))
		return false;
	if (f)
		flow_ends(mm, f);
	return true;
}

// Whether somebody else has the lock of `mm` for reading, as who reads /proc/PID/cmdline has it. That is as often as he
// likes, and nothing that the address space would have to pay for. Its end is seen whoever brings it about.
static __always_inline bool is_others_read(u64 mm, bool write)
{
	return !write && current_mm() != mm && FIELD(struct mm_struct, mm, mm_users.counter);
}

static __always_inline void flow_acquired(void *ctx, u64 mm, bool write)
{
	struct vme_control *control = flow_control();
	struct vme_flow *f;

	if (!control || is_muted(control, mm, false) || is_others_read(mm, write))
		return;
	f = flow_of(mm);
	if (has_gone(mm, f))
		return;
	if (write) {
		s32 map_count = FIELD(struct mm_struct, mm, map_count);

		// An mm without a VMA begins: it is not the one that had this address before.
		if (f && !map_count) {
			flow_ends(mm, f);
			f = 0;
		}
		if (!f)
			f = new_flow(mm);
		if (f)
			flow_opens(control, mm, f, map_count);
	} else if (f && is_open(f)) {
		flow_closes(control, ctx, mm, f);  // a writer is about to become a reader
	} else if (f) {
		epoch_of(control, f);
		spend(control, mm, f, VME_COST_READ);
	}
}

// Only the ends of sections are attached: what the last section left is what this one found. A writer that became a
// reader shows by a difference; its syscall tells it from others, which have the lock for reading, too.
static __always_inline void lean_released(struct vme_control *control, void *ctx, u64 mm,
					  bool write)
{
	struct vme_flow *f;
	s32 now;

	if (is_muted(control, mm, write) || is_others_read(mm, write))
		return;
	f = flow_of(mm);
	if (has_gone(mm, f))
		return;
	now = FIELD(struct mm_struct, mm, map_count);
	if (!write) {
		u32 operation;

		if (!f)
			return;
		epoch_of(control, f);
		if (!spend(control, mm, f, VME_COST_READ) || f->watch != control->watch ||
		    (now == f->map_count &&
		     f->owner.total_vm == FIELD(struct mm_struct, mm, total_vm)))
			return;
		operation = syscall_operation();
		if (current_mm() != mm || operation >= VME_OPERATIONS)
			return;
		// Up to 6.4 a stack grows with the lock held for reading. A call that is refused
		// next finds it as it is now; whoever became a reader has made it smaller.
		if (!config.may_downgrade[operation]) {
			u64 total = FIELD(struct mm_struct, mm, total_vm);

			if (now == f->map_count && total > f->owner.total_vm)
				f->owner.total_vm = total;
			return;
		}
	} else if (!f) {
		f = new_flow(mm);
	}
	if (!f)
		return;
	epoch_of(control, f);
	if (!spend(control, mm, f, VME_COST_SECTION)) {
		f->counts.skipped++;
		return;
	}
	if (f->watch == control->watch) {
		flow_closes(control, ctx, mm, f);
		return;
	}
	f->counts.skipped++;
	f->watch = control->watch;
	f->owner.section.one_in = 0;
	f->owner.writer = 0;
	note_state(mm, f, now);
}

static __always_inline bool is_lean(void)
{
	struct vme_control *control = flow_control();

	return control && control->lean;
}

static __always_inline void flow_released(void *ctx, u64 mm, bool write)
{
	struct vme_control *control = flow_control();
	struct vme_flow *f;

	if (!control)
		return;
	if (control->lean) {
		lean_released(control, ctx, mm, write);
		return;
	}
	if (is_muted(control, mm, true))
		return;
	f = flow_of(mm);
	if (f && is_open(f))
		flow_closes(control, ctx, mm, f);
	else if (f && control->allowance && f->epoch == control->epoch &&
		 f->used > control->allowance)
		f->counts.skipped++;
}

#endif
