// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The user stack of the current task, as the ring holds it: a key, and once for each key the
// addresses.
#ifndef VMASCOPE_STACKS_H
#define VMASCOPE_STACKS_H

// It is a function of its own, so that the verifier does not go through the code behind it for
// each count.
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

	if (!s || s->stack.count > VME_CALLS_MAX || bpf_map_lookup_elem(&sent_once, &key))
		return key;
	begin(&s->stack.h, VME_CALLS, 0, 0);
	s->stack.key = key;
	count = s->stack.count;
	if (count > VME_CALLS_MAX)
		return key;
	if (emit(&s->stack, sizeof(s->stack) - (VME_CALLS_MAX - count) * sizeof(u64)))
		bpf_map_update_elem(&sent_once, &key, &one, BPF_ANY);
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
	if (config.copy_bytes) {
		u64 key = call_path(mm);

		if (s->path.wants_chain)
			send_chain(ctx, s);
		return key;
	}
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

#endif
