// Experiments on the kernel's merge rules that no Swift, and no C library, may take part in.
#define _GNU_SOURCE
#include "system.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L

static inline long raw(long number, long a, long b, long c, long d, long e)
{
	register long fourth __asm__("r10") = d, fifth __asm__("r8") = e, sixth __asm__("r9") = 0;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
			 : "rcx", "r11", "memory");
	return result;
}

// Of the C library since 2.35.
extern const ptrdiff_t __rseq_offset __attribute__((weak));

// A static executable has its thread's memory in the heap, which is given up here: nothing that reads
// errno or checks a stack may be called.
__attribute__((noreturn, noinline, no_stack_protector)) static void join_below(long start)
{
	long page = start - PAGE, code = 2;

	// The kernel writes to the restartable sequences' area at a preemption, and ends a thread whose area has gone.
	if (&__rseq_offset)
		raw(SYS_rseq, (long)__builtin_thread_pointer() + __rseq_offset, 32,
		    1 /* RSEQ_FLAG_UNREGISTER */, 0x53053053, 0);
	// A heap of one page behind a mapping of one page, which differ in nothing.
	if (raw(SYS_brk, start, 0, 0, 0, 0) == start &&
	    raw(SYS_mmap, page, PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1) == page &&
	    raw(SYS_brk, start + PAGE, 0, 0, 0, 0) == start + PAGE)
		// EFAULT: they are two VMAs, and no mremap lengthens what crosses their boundary.
		code = raw(SYS_mremap, page, 2 * PAGE, 3 * PAGE, 0, 0) != -EFAULT;
	for (;;)
		raw(SYS_exit_group, code, 0, 0, 0, 0);
}

int vms_brk_joins_below(unsigned long start_brk)
{
	int child, status = 0;

	if (!start_brk || start_brk % PAGE)
		return -1;
	child = vms_fork();
	if (child < 0)
		return -1;
	if (!child)
		join_below((long)start_brk);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) < 2 ? WEXITSTATUS(status) : -1;
}

int vms_attach_segment(void *address, size_t size)
{
	int id = shmget(IPC_PRIVATE, size, 0600);
	void *found;

	if (id < 0)
		return -1;
	found = shmat(id, address, SHM_REMAP);
	// The segment goes when no process has it attached any more.
	shmctl(id, IPC_RMID, NULL);
	return found == address ? 0 : -1;
}

int vms_name_memory(void *address, size_t size, const char *name)
{
	return prctl(0x53564d41, 0, address, size, name);  // PR_SET_VMA, PR_SET_VMA_ANON_NAME
}

int vms_exercise(unsigned rounds)
{
	int child = vms_fork();

	if (child)
		return child;
	// An allocation here would be seen, too, so there is none.
	for (unsigned i = 0; i < rounds; i++) {
		char *area = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			_exit(1);
		mprotect(area + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);
		mprotect(area + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE);
		mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
		munmap(area, 8 * PAGE);
		usleep(10000);
	}
	for (;;)
		pause();
}
