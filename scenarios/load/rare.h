// Operations that few programs use, each in one call. They may fail: a kernel need not know them.
#ifndef RARE_H
#define RARE_H

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef MAP_GROWSDOWN
#define MAP_GROWSDOWN 0x100
#endif
#define NR_PIDFD_OPEN 434
#define NR_PROCESS_MADVISE 440
#define NR_MSEAL 462
#define HELD_UFFDS 3

// Maps memory that grows downwards, and makes it grow: the kernel touches the page below, and the next.
static inline int grow_down(char *where, long pages, int zero)
{
	char *top = mmap(where, pages * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);

	if (top == MAP_FAILED)
		return -1;
	return read(zero, top - 1, 1) == 1 && read(zero, top - PAGE - 1, 1) == 1 ? 0 : -1;
}

// A child gives advice on its parent's memory.
static inline int advise_from_outside(char *where, size_t size)
{
	pid_t parent = getpid(), pid = syscall(SYS_fork);
	int status;

	if (pid == 0) {
		struct iovec range = { where, size };
		int fd = syscall(NR_PIDFD_OPEN, parent, 0);

		_exit(syscall(NR_PROCESS_MADVISE, fd, &range, 1UL, MADV_COLD, 0) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

// Registers a range with a userfaultfd, and closes that, with or without unregistering the range before.
static inline int register_uffd(char *where, size_t size, int unregisters)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { { (unsigned long)where, size },
					 UFFDIO_REGISTER_MODE_MISSING,
					 0 };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), done;

	if (fd < 0)
		return -1;
	done = ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &range) == 0;
	if (done && unregisters)
		ioctl(fd, UFFDIO_UNREGISTER, &range.range);
	close(fd);
	return done ? 0 : -1;
}

// Registers a range with a userfaultfd that stays open until the next call, while all else goes on. A fault there is
// an error, and waits for nobody (UFFD_FEATURE_SIGBUS). The last process that has the descriptor closes it, which may
// be a child.
static inline int hold_uffd(char *where, size_t size, int which)
{
	static int held[HELD_UFFDS];  // 0: none
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_SIGBUS };
	struct uffdio_register range = { { (unsigned long)where, size },
					 UFFDIO_REGISTER_MODE_MISSING,
					 0 };
	int fd = __atomic_exchange_n(&held[which], 0, __ATOMIC_SEQ_CST);

	if (fd)
		return close(fd);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0) {
		close(fd);
		return -1;
	}
	fd = __atomic_exchange_n(&held[which], fd, __ATOMIC_SEQ_CST);
	return fd ? close(fd) : 0;
}

// The kernel maps a part of a shared file again, at another offset.
static inline int remap_pages(char *where, long pages, int file, long offset)
{
	if (mmap(where, pages * PAGE, RW, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
		return -1;
	return remap_file_pages(where + pages / 2 * PAGE, PAGE, 0, offset, 0);
}

static inline int name_range(char *where, size_t size, int which)
{
	static const char *names[] = { "arena", "cache", 0 };

	return prctl(PR_SET_VMA, 0, where, size, names[which % 3]);
}

// Makes a child that borrows our memory until it executes another program.
static inline int vfork_and_exec(const char *self)
{
	char *const arguments[] = { (char *)self, 0 };
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execve(self, arguments, 0);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -1;
}

static __thread char other_stack[16384] __attribute__((aligned(16)));

static int become(void *self)
{
	char *const arguments[] = { self, 0 };

	execve(self, arguments, 0);
	return syscall(SYS_exit_group, 127);
}

// A child's second thread becomes another program, and the first ends by that.
static inline int exec_from_thread(const char *self)
{
	pid_t pid = syscall(SYS_fork);
	int status;

	if (pid == 0) {
		if (clone(become, other_stack + sizeof(other_stack),
			  CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, (void *)self) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int map_and_unmap(void *page)
{
	mmap(page, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	munmap((char *)page + 2 * PAGE, PAGE);
	return 0;
}

// A process that shares our memory, and is no thread, maps a page in it and unmaps another.
static inline int share_memory(char *where)
{
	int status;
	pid_t pid;

	pid = clone(map_and_unmap, other_stack + sizeof(other_stack), CLONE_VM | SIGCHLD, where);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -1;
}

// The kernel maps a ring of its own, and unmaps it.
static inline int set_up_aio(void)
{
	aio_context_t context = 0;

	return syscall(SYS_io_setup, 8, &context) < 0 ? -1 : (int)syscall(SYS_io_destroy, context);
}

static inline int set_up_uring(void)
{
	struct io_uring_params parameters = { 0 };
	int fd = syscall(SYS_io_uring_setup, 4, &parameters);
	void *ring;

	if (fd < 0)
		return -1;
	ring = mmap(0, 4096, RW, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	if (ring != MAP_FAILED)
		munmap(ring, 4096);
	close(fd);
	return ring == MAP_FAILED ? -1 : 0;
}

#endif
