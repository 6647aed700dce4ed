// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Calls that the kernel refused. A call that would have changed VMAs, and whose write section
// left everything as it was, is recorded with the values that the kernel compares before it
// refuses. The kernel's answer shows only at the end of the syscall: a program there costs every
// process at every syscall, so it is attached only while calls are refused.
#ifndef VMASCOPE_REFUSALS_H
#define VMASCOPE_REFUSALS_H

// Threads whose answer is awaited, with the time when their section ended.
struct awaited {
	u64 time;
	u64 mm;
	u32 tgid;
	s32 nr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct awaited);
} awaited SEC(".maps");

// A filter before it, by the thread's id: the end of a syscall is looked at for every process, and a look-up in
// `awaited` takes several times as long. Of two threads in one place the later one has it.
#define WAITERS 1024
struct waiters {
	u32 tid[WAITERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct waiters);
} waiters SEC(".maps");

static __always_inline u32 *waiter(u32 tid)
{
	struct waiters *all = only(&waiters);

	return all ? &all->tid[tid & (WAITERS - 1)] : 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_limits);
} limits SEC(".maps");

// After this time (ns) an answer belongs to another call.
#define ANSWER_TIME 50000000ULL

static __always_inline u32 map_limit(void)
{
	struct vme_limits *l = only(&limits);

	return l && l->map_count ? l->map_count : 0x7fffffff;
}

static __always_inline void refusals_begin(u64 mm, struct vme_owner *o)
{
	o->map_count = FIELD(struct mm_struct, mm, map_count);
	o->total_vm = FIELD(struct mm_struct, mm, total_vm);
}

static __always_inline u64 rlimit(u32 which)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, signal, rlim[which].rlim_cur);
}

// How much may be locked: everything by who has CAP_IPC_LOCK in the first user namespace. It is the lowest word of
// cred->cap_effective, whose type changed in 6.3.
static __always_inline u64 locked_limit(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);
	u32 capabilities = 0;

	bpf_probe_read_kernel(&capabilities, sizeof(capabilities), &cred->cap_effective);
	if (capabilities & 1U << CAP_IPC_LOCK && !BPF_CORE_READ(cred, user_ns, parent))
		return ~0ULL;
	return rlimit(RLIMIT_MEMLOCK);
}

// Whether a call may have been refused. The count of VMAs is `now`; it was o->map_count before.
//
// A call that maps or grows memory stores to the tree, unless it is refused. A call that changes
// memory in place may be refused at the second of two splits, and the first one stays. Where
// sections are not recorded, nothing shows whether a fixed mapping replaced another one of the
// same size.
static __always_inline bool may_be_refused(u64 mm, struct vme_owner *o, s32 nr, const u64 *args,
					   s64 now, bool knows_writes)
{
	bool is_same = o->map_count == now &&
		       (knows_writes ? !o->section.writes
				     : o->total_vm == FIELD(struct mm_struct, mm, total_vm));
	s64 limit = map_limit();
	bool at_limit = now >= limit && now - o->map_count <= 1 && now >= o->map_count;

	switch (nr) {
	case NR_mmap:
		if (args[3] & 0x10)
			return at_limit || (knows_writes && is_same);
		return is_same;
	case NR_shmat:
		return is_same && (knows_writes || !(args[2] & SHM_REMAP));
	case NR_mremap:
		if (PAGE_UP(args[2]) <= PAGE_UP(args[1]) &&
		    !(args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
			return false;
		return is_same &&
		       (knows_writes || now + 5 >= limit || PAGE_UP(args[2]) > PAGE_UP(args[1]));
	case NR_brk:
		return args[0] > FIELD(struct mm_struct, mm, brk) &&
		       args[0] >= FIELD(struct mm_struct, mm, start_brk);
	case NR_mlock:
	case NR_mlock2:
	case NR_mlockall:
		return at_limit ||
		       (is_same &&
			FIELD(struct mm_struct, mm, locked_vm) * PAGE_SIZE +
					(nr == NR_mlockall
						 ? FIELD(struct mm_struct, mm, total_vm) * PAGE_SIZE
						 : args[1]) >
				locked_limit());
	case NR_mprotect:
	case NR_pkey_mprotect:
		// Memory that becomes writable is counted as data. Mostly there is no limit, and
		// then there is nothing to read.
		return at_limit || (is_same && args[2] & 2 && rlimit(RLIMIT_DATA) < ~0ULL &&
				    FIELD(struct mm_struct, mm, data_vm) * PAGE_SIZE + args[1] >
					    rlimit(RLIMIT_DATA));
	case NR_munmap:
	case NR_madvise:
	case NR_munlock:
	case NR_mbind:
	case NR_mseal:
	case NR_prctl:
	case NR_ioctl:
	case NR_shmdt:
	case NR_remap_file_pages:
	case NR_set_mempolicy_home_node:
	case NR_process_madvise:
		return at_limit;
	default:
		return false;
	}
}

// Returns whether this call is recorded; a call that is not is counted, and its count recorded
// with the next one.
static __always_inline bool has_room(struct vme_owner *o)
{
	u64 time = bpf_ktime_get_ns() >> 27;

	if (o->refused_time != time) {
		o->refused_time = time;
		o->refused = 0;
	}
	if (o->refused >= VME_REFUSALS_RECORDED) {
		o->refused_more++;
		return false;
	}
	o->refused++;
	return true;
}

static __always_inline void await_answer(u64 mm, struct vme_owner *o, s32 nr)
{
	struct awaited a = { .time = bpf_ktime_get_ns(), .mm = mm, .tgid = o->tgid, .nr = nr };
	u32 tid = current_tid(), *place = waiter(tid);

	bpf_map_update_elem(&awaited, &tid, &a, BPF_ANY);
	if (place)
		*place = tid;
}

// Returns whether there was room for it.
__noinline int emit_refusal(u64 mm, u32 tgid, u64 stack, u32 count, u64 wakeup)
{
	struct scratch *s = scratch();
	struct vme_refusal *r;

	if (!s)
		return 0;
	r = &s->refusal;
	r->flags_at = 0;
	forget_leaf(&s->place);
	s->place.addr = PAGE_DOWN(r->args[0]);
	if (tree_find(mm) && s->place.vma)
		r->flags_at = FIELD(struct vm_area_struct, s->place.vma, vm_flags) | VME_IS_MAPPED;
	r->count = count;
	r->stack = stack;
	r->brk = FIELD(struct mm_struct, mm, brk);
	r->total_vm = FIELD(struct mm_struct, mm, total_vm);
	r->data_vm = FIELD(struct mm_struct, mm, data_vm);
	r->locked_vm = FIELD(struct mm_struct, mm, locked_vm);
	r->def_flags = FIELD(struct mm_struct, mm, def_flags);
	r->map_count = FIELD(struct mm_struct, mm, map_count);
	r->map_limit = map_limit();
	r->limit_as = rlimit(RLIMIT_AS);
	r->limit_data = rlimit(RLIMIT_DATA);
	r->limit_locked = locked_limit();
	begin(&r->h, VME_REFUSAL, mm, tgid);
	return !bpf_ringbuf_output(&events, r, sizeof(*r), wakeup);
}

// Those that were too many, or found no room, are told in the end, as of the last call.
// Returns how many found none even now.
static __always_inline u32 emit_leftover_refusals(u64 mm, struct vme_owner *o)
{
	struct scratch *s = scratch();

	if (!s || !o->refused_more)
		return 0;
	s->refusal.nr = o->section.nr;
	__builtin_memcpy(s->refusal.args, o->section.args, sizeof(s->refusal.args));
	if (emit_refusal(mm, o->tgid, o->section.stack, o->refused_more, BPF_RB_NO_WAKEUP))
		o->refused_more = 0;
	return o->refused_more;
}

// Records the call in s->refusal, which has changed nothing. `always`: with its stack, whether or
// not other calls have theirs.
static __always_inline void note_refusal(void *ctx, u64 mm, struct vme_owner *o, bool always)
{
	struct scratch *s = scratch();
	u64 stack;
	u32 count;

	if (!s || !has_room(o))
		return;
	s->path.is_urgent = 1;
	stack = always ? any_user_stack(ctx, mm) : user_stack(ctx, mm);
	s->path.is_urgent = 0;
	count = o->refused_more + 1;
	o->refused_more = 0;
	o->section.stack = stack;
	o->section.nr = s->refusal.nr;
	__builtin_memcpy(o->section.args, s->refusal.args, sizeof(o->section.args));
	await_answer(mm, o, s->refusal.nr);
	// Whoever is refused may end at once, and with it what tells the names of its functions: where all are watched
	// the loader looks seldom, and is woken by the first of many.
	if (!emit_refusal(mm, o->tgid, stack, count,
			  always && o->refused == 1 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP))
		o->refused_more += count;
}

// To be called at the end of a section that is recorded.
static __always_inline void refusals_end(void *ctx, u64 mm, struct vme_owner *o)
{
	struct vme_section *c = &o->section;
	struct scratch *s = scratch();

	if (!s || c->nr < 0 || c->flags & (VME_FOREIGN | VME_COMPAT) ||
	    !may_be_refused(mm, o, c->nr, c->args, FIELD(struct mm_struct, mm, map_count), true))
		return;
	s->refusal.nr = c->nr;
	__builtin_memcpy(s->refusal.args, c->args, sizeof(s->refusal.args));
	note_refusal(ctx, mm, o, false);
}

#endif
