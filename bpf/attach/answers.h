// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The kernel's answer to a call that changed nothing: attached while calls are refused.
#ifndef VMASCOPE_ANSWERS_H
#define VMASCOPE_ANSWERS_H

// The end of a syscall, while answers are read.
SEC("?raw_tp/sys_exit")
int syscall_exits(u64 *ctx)
{
	struct scratch *s;
	struct awaited *a;
	u32 tid = current_tid(), *place = waiter(tid);
	u32 flags = 0;

	if (!place || *place != tid)
		return 0;
	*place = 0;
	a = bpf_map_lookup_elem(&awaited, &tid);
	if (!a)
		return 0;
	hold_cpu();
	s = scratch();
	if (s) {
		read_syscall(&s->answer.nr, s->refusal.args, &flags);
		if (s->answer.nr == a->nr && bpf_ktime_get_ns() - a->time < ANSWER_TIME) {
			s->answer.result = (s64)ctx[1];
			begin(&s->answer.h, VME_ANSWER, a->mm, a->tgid);
			emit(&s->answer, sizeof(s->answer));
		}
	}
	let_cpu_go();
	bpf_map_delete_elem(&awaited, &tid);
	return 0;
}

#endif
