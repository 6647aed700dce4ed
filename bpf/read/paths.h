// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The call path on which a thread came to change its address space: the registers with which it
// entered the kernel, and a copy of its stack, which the loader unwinds.
//
// A path's stack is copied once. The loader knows which words of the stack the result rests on
// (return addresses, and registers that were saved and used), and writes them into `paths`: a
// tree whose root is named by the address space, ip and sp, and each node by its parent and the
// words that the parent asks for. A thread that reaches a leaf has equal values in all words that
// were used, so unwinding would give the same result, and no copy is needed. The loader writes
// through mapped memory: during a syscall on a map, the kernel skips programs at kprobes.
#ifndef VMASCOPE_PATHS_H
#define VMASCOPE_PATHS_H

#define PATH_PROBES 4
#define COPY_WHOLE 65536  // of a stack that is no deeper, all is copied
#define COPY_MOST 262144
#define COPY_FAR 16384    // of a second part, behind a frame that is larger than all that is copied
#define COPY_BELOW 2048   // of another stack, before what a frame pointer leads to
#define COPY_OTHER 12288  // of that, all together
#define COPY_FRAME (1 << 16)  // of frames of that, the largest
#define COPY_LINKS 32         // frame pointers that are followed to it
#define COPY_PIECES 70  // COPY_MOST and COPY_FAR by pages, the first of which is begun anywhere

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VME_PATHS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_path);
} paths SEC(".maps");

static __always_inline struct vme_path *node_of(u64 key)
{
	u32 first = vme_path_place(key), i;

	for (i = 0; i < PATH_PROBES; i++) {
		u32 place = (first + i) & (VME_PATHS - 1);
		struct vme_path *node = bpf_map_lookup_elem(&paths, &place);

		if (node && *(volatile u64 *)&node->key == key)
			return node;
	}
	return 0;
}

// One node down. Returns 1 at a leaf, whose name is then in `scratch.path.stack`, 0 to go on, -1 if
// the path is not known.
__noinline int descend(void)
{
	struct scratch *s = scratch();
	struct vme_path *node;
	u32 bytes, i;
	u64 key, at;

	if (!s)
		return -1;
	key = s->path.key;
	node = node_of(key);
	if (!node)
		return -1;
	if ((node->want & ~VME_WANT_CHAIN) > s->path.want)
		s->path.want = node->want & ~VME_WANT_CHAIN;
	if (node->far)
		s->path.far = node->far;
	s->path.stack = node->stack;
	if (*(volatile u64 *)&node->key != key)
		return -1;  // another's by now
	if (s->path.stack)
		return 1;
	if (!node->count && !node->registers)
		return -1;
	bytes = ((node->span & (VME_PATH_WINDOW - 1)) + 1) * sizeof(u64);
	at = s->path.registers[VME_SP] + node->from * sizeof(u64);
	if (bpf_probe_read_user(s->path.window, bytes, (void *)at))
		return -1;
	for (i = VME_BP; i < VME_REGISTERS; i++)
		if (node->registers & 1 << i)
			key = mix(key, s->path.registers[i]);
	for (i = 0; i < VME_PATH_WORDS; i++) {
		if (i >= node->count)
			break;
		key = mix(key, s->path.window[node->words[i] & (VME_PATH_WINDOW - 1)]);
	}
	s->path.key = key;
	return 0;
}

// Reads up to the end of a page, and sends that, unless the page is not there: large frames have
// pages that nobody has touched. Returns 1 after the last piece.
__noinline int copy_piece(void)
{
	struct scratch *s = scratch();
	struct vme_copy *c;
	u64 at, last, size;
	u32 part;

	if (!s)
		return 1;
	c = &s->copy;
	at = c->registers[VME_SP] + c->offset;
	part = PAGE_SIZE - (at & (PAGE_SIZE - 1));
	if (part > s->path.left)
		part = s->path.left;
	s->path.left -= part;
	// Masks for bounds that the compiler does not know: old verifiers see bounds in nothing
	// else.
	last = part - 1;
	asm volatile("" : "+r"(last));
	size = part;
	if (!part || bpf_probe_read_user(c->bytes, (last & (VME_COPY_BYTES - 1)) + 1, (void *)at))
		size = 0;
	c->count = size;
	c->more = s->path.left || s->path.far_bytes || s->path.wants_chain;
	if (size || !c->more || !c->offset) {
		begin(&c->h, VME_COPY, s->path.mm, (u32)(bpf_get_current_pid_tgid() >> 32));
		if (!c->offset)
			c->key = VME_STACK_COPIED | (u64)c->h.cpu << 32 | c->h.seq;
		asm volatile("" : "+r"(size));
		if (!emit(c, sizeof(*c) - VME_COPY_BYTES + (size & (2 * VME_COPY_BYTES - 1))))
			return 1;
	}
	c->offset += part;
	if (!s->path.left && s->path.far_bytes) {
		c->offset = s->path.far * PAGE_SIZE;
		s->path.left = s->path.far_bytes;
		s->path.far_bytes = 0;
	}
	return !s->path.left;
}

// Where the chain of frame pointers leaves the part of the stack that is copied, as Go's does where it calls on the
// stack of a thread; 0 if it does not. A frame pointer leads there from the stack, and from there to another one further
// on: most programs use rbp for anything.
__noinline u64 other_stack(void)
{
	struct scratch *s = scratch();
	u64 at, next, sp, i;

	if (!s)
		return 0;
	sp = s->path.registers[VME_SP];
	at = s->path.registers[VME_BP];
	ROLLED
	for (i = 0; i < COPY_LINKS; i++) {
		if (!at || at & 7)
			return 0;
		if (bpf_probe_read_user(&next, sizeof(next), (void *)at))
			return 0;
		if (at - sp >= s->copy.asked)
			return i && (!next || next - at < COPY_FRAME) ? at : 0;
		if (next - sp < s->copy.asked && next <= at)
			return 0;
		at = next;
	}
	return 0;
}

// Sends what is there of a page of another stack. Returns 1 after the last one.
__noinline int copy_other(void)
{
	struct scratch *s = scratch();
	struct vme_copy *c;
	u64 last, size;
	u32 part;

	if (!s)
		return 1;
	c = &s->copy;
	part = PAGE_SIZE - (c->other & (PAGE_SIZE - 1));
	if (part > s->path.left)
		part = s->path.left;
	s->path.left -= part;
	last = part - 1;
	asm volatile("" : "+r"(last));
	size = part;
	if (part &&
	    !bpf_probe_read_user(c->bytes, (last & (VME_COPY_BYTES - 1)) + 1, (void *)c->other)) {
		c->count = size;
		c->more = 1;
		begin(&c->h, VME_COPY, s->path.mm, (u32)(bpf_get_current_pid_tgid() >> 32));
		asm volatile("" : "+r"(size));
		if (!emit(c, sizeof(*c) - VME_COPY_BYTES + (size & (2 * VME_COPY_BYTES - 1))))
			return 1;
	}
	c->other += part;
	return !s->path.left;
}

// The last piece of a copy: the return addresses that the kernel finds by frame pointers, which lead to other stacks,
// too. Before it comes a part of the first of those: the function that has changed stacks is in no chain.
static __always_inline void send_chain(void *ctx, struct scratch *s)
{
	struct vme_copy *c = &s->copy;
	long bytes;
	int i;

	c->other = s->path.other;
	if (c->other > COPY_BELOW) {
		c->other -= COPY_BELOW;
		c->offset = 0;
		s->path.left = COPY_OTHER;
		ROLLED
		for (i = 0; i < COPY_OTHER / PAGE_SIZE + 1; i++)
			if (copy_other())
				break;
	}
	c->other = 0;
	bytes = bpf_get_stack(ctx, c->bytes, VME_CHAIN_MAX * sizeof(u64), BPF_F_USER_STACK);
	if (bytes < 0)
		bytes = 0;
	c->offset = VME_COPY_CHAIN;
	c->count = (u32)bytes & (VME_COPY_BYTES - 1);
	c->more = 0;
	s->path.wants_chain = 0;
	begin(&c->h, VME_COPY, s->path.mm, (u32)(bpf_get_current_pid_tgid() >> 32));
	emit(c, sizeof(*c) - VME_COPY_BYTES + ((u64)bytes & (VME_COPY_BYTES - 1)));
}

// Whether the ring has room for copies, which must not cost it a record: no copy when more than
// half of it is in use, and before that one in two for each sixteenth beyond a quarter.
static __always_inline bool has_room_for_copy(void)
{
	u64 size = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE);
	u64 sixteenths = 16 * bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) / size;
	struct scratch *s = scratch();

	if (sixteenths < 4 || (s && s->path.is_urgent && sixteenths < 12))
		return true;
	return sixteenths < 8 && !(bpf_get_prandom_u32() & ((2U << (sixteenths - 4)) - 1));
}

// Sends the current thread's stack, from sp to the end of the VMA that it is in, or as much as is
// wanted. The mmap_lock is held. Returns the key of the copy.
__noinline u64 copy_stack(u64 mm)
{
	struct scratch *s = scratch();
	u64 sp, end, room, start_stack;
	struct vme_path *node;
	int i;

	if (!s)
		return 0;
	if (!has_room_for_copy())
		return VME_STACK_THINNED;
	sp = s->path.registers[VME_SP];
	forget_leaf(&s->place);
	s->place.addr = sp;
	end = tree_find(mm) && s->place.vma ? s->place.last + 1 : sp;
	// The address points to the number of arguments; behind that and the first arguments is
	// the environment.
	start_stack = FIELD(struct mm_struct, mm, start_stack) + 3 * sizeof(u64);
	if (sp <= start_stack && start_stack < end)
		end = start_stack;
	end -= sp;
	s->copy.space = mix(FNV_OFFSET, mm);
	node = node_of(s->copy.space);  // what other paths of this address space have needed
	if (node && (node->want & ~VME_WANT_CHAIN) > s->path.want)
		s->path.want = node->want & ~VME_WANT_CHAIN;
	s->path.wants_chain = node && node->want & VME_WANT_CHAIN;
	// Many a path is gone along but once: where that is enough for the whole stack, all of it is copied. Of a stack
	// that lies within a larger mapping, as a coroutine's, the end is not known.
	if (end <= COPY_WHOLE && s->path.want < COPY_WHOLE)
		s->path.want = COPY_WHOLE;
	// Where one path had such a frame, others may have it: the outermost frames lie at the stack's end.
	if (!s->path.far && node && node->far && end > COPY_FAR)
		s->path.far = (end - COPY_FAR + PAGE_SIZE - 1) / PAGE_SIZE;
	if (s->path.want > COPY_MOST)
		s->path.want = COPY_MOST;
	s->path.far_bytes = 0;
	if (s->path.far * PAGE_SIZE >= s->path.want && s->path.far * PAGE_SIZE < end) {
		s->path.far_bytes = COPY_FAR;
		if (end - s->path.far * PAGE_SIZE < COPY_FAR)
			s->path.far_bytes = end - s->path.far * PAGE_SIZE;
	}
	s->copy.rest = end > s->path.want;
	if (end > s->path.want)
		end = s->path.want;
	room = bpf_ringbuf_query(&events, BPF_RB_RING_SIZE) / 16;
	if (end > room) {
		end = room;
		s->copy.rest = 0;
	}
	s->copy.asked = end;
	s->path.left = end;
	s->path.mm = mm;
	s->path.other = other_stack();
	if (s->path.other)
		s->path.wants_chain = 1;
	s->copy.offset = 0;
	s->copy.other = 0;
	for (i = 0; i < VME_REGISTERS; i++)
		s->copy.registers[i] = s->path.registers[i];
	ROLLED
	for (i = 0; i < COPY_PIECES; i++)
		if (copy_piece())
			break;
	return s->copy.key;
}

// The id of the path on which the current thread entered the kernel; its own address space is
// `mm`. 0 if there is none, as for a kernel thread.
__noinline u64 call_path(u64 mm)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct scratch *s = scratch();
	struct pt_regs *registers;
	int i, step = 0;

	if (!s)
		return 0;
	registers = OBJECT(struct pt_regs, (u64)entry_registers(task), s->registers);
	if (!registers || !registers->ip)
		return 0;
	s->path.registers[VME_IP] = registers->ip;
	s->path.registers[VME_SP] = registers->sp;
	s->path.registers[VME_BP] = registers->bp;
	s->path.registers[VME_BX] = registers->bx;
	s->path.registers[VME_R12] = registers->r12;
	s->path.registers[VME_R13] = registers->r13;
	s->path.registers[VME_R14] = registers->r14;
	s->path.registers[VME_R15] = registers->r15;
	s->path.want = config.copy_bytes;
	s->path.wants_chain = 0;
	s->path.far = 0;
	s->path.key = mix(mix(mix(FNV_OFFSET, mm), registers->ip), registers->sp);
	s->copy.path = s->path.key;
	ROLLED
	for (i = 0; i < VME_PATH_LEVELS && !step; i++)
		step = descend();
	s->copy.known = 0;
	if (step <= 0)
		return copy_stack(mm);
	if (config.check_paths) {
		s->copy.known = s->path.stack;
		copy_stack(mm);
	}
	return s->path.stack;
}

#endif
