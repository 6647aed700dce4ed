// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Refused calls by user, in the mode in which all processes are watched. To tell one in detail (its
// stack, a wake-up of the loader, names) costs as much as a thousand sections, and each new process
// has a first one. So of one user's processes only some are told in each epoch; the others are counted.
#ifndef VMASCOPE_USERS_H
#define VMASCOPE_USERS_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VME_USERS);
	__type(key, u32);
	__type(value, struct vme_user);
} users SEC(".maps");

// The user who answers for the current process: its own, or the one who made the user namespace that it
// is in. Of a namespace that root made, as container engines do, 65,536 ids are one.
static __always_inline u32 user_of_current(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct user_namespace *space = BPF_CORE_READ(task, cred, user_ns);
	u32 uid = (u32)bpf_get_current_uid_gid();
	u32 owner = 0;
	bool is_inside = false;

	// The kernel allows 32 in each other (create_user_ns).
	for (int i = 0; i < 33; i++) {
		struct user_namespace *parent = BPF_CORE_READ(space, parent);

		if (!parent)
			break;
		is_inside = true;
		owner = BPF_CORE_READ(space, owner.val);
		space = parent;
	}
	if (!is_inside)
		return uid;
	return owner ? owner : VME_IN_NAMESPACE | uid >> 16;
}

// Whether a call that `s->refusal` has is sure to have failed, since it stored nothing.
static __always_inline bool has_surely_failed(s32 nr, const u64 *args)
{
	return nr == NR_mremap || nr == NR_brk || nr == NR_shmat ||
	       (nr == NR_mmap && !(args[3] & 0x10));
}

// Whether a refused call is told in detail. If not, it is counted: with others of its process, if one
// was told before, else with others of its user.
static __noinline int is_told(struct vme_owner *o, u32 operation)
{
	struct vme_control *control = flow_control();
	struct scratch *s = scratch();
	struct vme_user *user;
	u32 key;

	barrier_var(operation);  // the mask is for the verifier
	if (!o || !s || !control || !control->details)
		return 1;
	key = user_of_current();
	user = bpf_map_lookup_elem(&users, &key);
	if (!user) {
		__builtin_memset(&s->user, 0, sizeof(s->user));
		bpf_map_update_elem(&users, &key, &s->user, BPF_NOEXIST);
		user = bpf_map_lookup_elem(&users, &key);
		if (!user) {
			__sync_fetch_and_add(&control->refused, 1);
			return 0;
		}
	}
	if (user->epoch != control->epoch) {
		user->epoch = control->epoch;
		user->told = 0;
	}
	if (user->told < control->details) {
		__sync_fetch_and_add(&user->told, 1);
		return 1;
	}
	if (o->refused_time)
		o->refused_more++;
	else if (has_surely_failed(s->refusal.nr, s->refusal.args))
		__sync_fetch_and_add(&user->untold[operation & (VME_OPERATIONS - 1)], 1);
	return 0;
}

#endif
