// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause
//
// The syscalls that change VMAs and whose arguments say which: x86-64 numbers, from
// arch/x86/entry/syscalls/syscall_64.tbl. VMACore's `Syscall.operation` has the same and more, and imports
// nothing; VMAWireTests hold the two together.
#ifndef VMA_SYSCALLS_H
#define VMA_SYSCALLS_H

enum vme_syscall {
	NR_close = 3,
	NR_mmap = 9,
	NR_mprotect = 10,
	NR_munmap = 11,
	NR_brk = 12,
	NR_ioctl = 16,
	NR_mremap = 25,
	NR_madvise = 28,
	NR_dup2 = 33,
	NR_shmat = 30,
	NR_shmdt = 67,
	NR_mlock = 149,
	NR_munlock = 150,
	NR_mlockall = 151,
	NR_munlockall = 152,
	NR_prctl = 157,
	NR_io_destroy = 207,
	NR_remap_file_pages = 216,
	NR_mbind = 237,
	NR_dup3 = 292,
	NR_mlock2 = 325,
	NR_pkey_mprotect = 329,
	NR_io_uring_enter = 426,
	NR_close_range = 436,
	NR_process_madvise = 440,
	NR_set_mempolicy_home_node = 450,
	NR_mseal = 462,
	NR_other = 100000,
};

#endif
