// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The syscall that a thread is in, and the range that its arguments say it may change.
#ifndef VMASCOPE_SYSCALLS_H
#define VMASCOPE_SYSCALLS_H

#define PR_SET_VMA 0x53564d41
#define PR_SET_MEMORY_MERGE 67
#define UFFDIO_REGISTER 0xc020aa00
#define UFFDIO_UNREGISTER 0x8010aa01
#define ADDRESS_LIMIT (1ULL << 56)
#define MAP_FIXED_ANY (0x10 | 0x100000)  // MAP_FIXED, MAP_FIXED_NOREPLACE
#define MREMAP_FIXED 2
#define MREMAP_DONTUNMAP 4
#define SHM_REMAP 040000
#define PAGE_UP(x) (((x) + 4095) & ~4095ULL)
#define PAGE_DOWN(x) ((x) & ~4095ULL)

// Whether an ioctl(2) is a request of userfaultfd, by its type.
static __always_inline bool is_userfaultfd(u64 request)
{
	return (request >> 8 & 0xff) == 0xaa;
}

// The registers with which the current task entered the kernel: at the top of its stack.
static __always_inline struct pt_regs *entry_registers(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ(task, stack) + THREAD_SIZE - PT_REGS_SIZE;
}

static __always_inline void read_syscall(s32 *nr, u64 *args, u32 *flags)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct scratch *s = scratch();
	struct pt_regs *registers;

	*nr = -1;
	if (!s || FIELD(struct task_struct, task, flags) & PF_KTHREAD)
		return;
	registers = OBJECT(struct pt_regs, (u64)entry_registers(task), s->registers);
	if (!registers)
		return;
	*nr = (s32)registers->orig_ax;  // -1 after an exception: not a syscall
	if (bpf_core_field_exists(task->thread_info.status) &&
	    FIELD(struct task_struct, task, thread_info.status) & TS_COMPAT)
		*flags |= VME_COMPAT;
	args[0] = registers->di;
	args[1] = registers->si;
	args[2] = registers->dx;
	args[3] = registers->r10;
	args[4] = registers->r8;
	args[5] = registers->r9;
}

// The start of the VMA behind the one that holds `addr`, or `addr`.
static __always_inline u64 next_vma(u64 mm, u64 addr)
{
	struct scratch *s = scratch();

	if (!s)
		return addr;
	forget_leaf(&s->place);
	s->place.addr = addr;
	if (tree_find(mm) && s->place.vma)
		s->place.addr = s->place.last + 1;
	return tree_next(mm) > 0 ? s->place.lo : addr;
}

// The range that the syscall may change, as far as its arguments show; lo >= hi if they do not.
static __always_inline void expected_range(u64 mm, struct vme_section *c)
{
	u64 start = PAGE_DOWN(c->args[0]), brk, range[2];

	c->lo = c->hi = c->lo2 = c->hi2 = 0;
	if (c->flags & (VME_FOREIGN | VME_COMPAT)) {
		// Another process's memory, or a 32-bit syscall. A kernel thread is in no
		// syscall.
		if (c->nr >= 0)
			c->hi = ADDRESS_LIMIT;
		return;
	}
	switch (c->nr) {
	// Closing a userfaultfd, asynchronous I/O and process_madvise seldom take the lock, and
	// their arguments do not name a range.
	case NR_close:
	case NR_dup2:
	case NR_dup3:
	case NR_close_range:
	case NR_io_destroy:
	case NR_io_uring_enter:
	case NR_process_madvise:
		c->hi = ADDRESS_LIMIT;
		return;
	case NR_ioctl:
		if ((u32)c->args[1] != UFFDIO_REGISTER && (u32)c->args[1] != UFFDIO_UNREGISTER)
			return;
		// Both begin with struct uffdio_range; if it can't be read, all is read anew.
		if (bpf_probe_read_user(range, sizeof(range), (void *)c->args[2])) {
			c->hi = ADDRESS_LIMIT;
			return;
		}
		c->lo = range[0];
		c->hi = range[0] + range[1];
		return;
	case NR_mmap:
		if (!(c->args[3] & MAP_FIXED_ANY))
			return;
		break;
	case NR_mprotect:
	case NR_pkey_mprotect:
	case NR_munmap:
	case NR_madvise:
	case NR_mbind:
	case NR_mlock:
	case NR_mlock2:
	case NR_munlock:
	case NR_remap_file_pages:
	case NR_mseal:
	case NR_set_mempolicy_home_node:
		break;
	case NR_shmdt:  // its length is the segment's
		c->lo = start;
		c->hi = ADDRESS_LIMIT;
		return;
	case NR_shmat:  // so is its
		if (!(c->args[2] & SHM_REMAP))
			return;
		c->lo = PAGE_DOWN(c->args[1]);
		c->hi = ADDRESS_LIMIT;
		return;
	case NR_mlockall:
	case NR_munlockall:
		c->hi = ADDRESS_LIMIT;
		return;
	case NR_brk:
		brk = FIELD(struct mm_struct, mm, brk);
		c->lo = PAGE_UP(brk < c->args[0] ? brk : c->args[0]);
		c->hi = PAGE_UP(brk < c->args[0] ? c->args[0] : brk);
		return;
	case NR_mremap:
		c->lo = start;
		c->hi = start + PAGE_UP(c->args[1] > c->args[2] ? c->args[1] : c->args[2]);
		if (c->args[3] & MREMAP_FIXED) {
			c->lo2 = PAGE_DOWN(c->args[4]);
			c->hi2 = c->lo2 + PAGE_UP(c->args[2]);
		}
		// Up to 6.0 the memory behind the source's VMA is taken for a rest of it, and
		// accounted for (move_vma, VM_ACCOUNT).
		if (c->args[3] & MREMAP_DONTUNMAP &&
		    !bpf_core_field_exists(struct mm_struct, mm_mt))
			c->hi = next_vma(mm, c->hi);
		return;
	case NR_prctl:
		if (c->args[0] == PR_SET_MEMORY_MERGE)
			c->hi = ADDRESS_LIMIT;
		if (c->args[0] != PR_SET_VMA)
			return;
		c->lo = PAGE_DOWN(c->args[2]);
		c->hi = c->lo + PAGE_UP(c->args[3]);
		return;
	default:
		return;
	}
	c->lo = start;
	c->hi = PAGE_UP(c->args[0] + c->args[1]);
}

#endif
