#define _GNU_SOURCE
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/nsfs.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int vms_spawn(char *const argv[], int *pid, int gate[2])
{
	// A byte through the first opens the gate, the end of file of the second tells that exec
	// worked. Pipes, because a kernel may have no sockets.
	int start[2], answer[2] = { -1, -1 };
	pid_t child = -1;

	if (pipe2(start, O_CLOEXEC))
		return errno;
	if (!pipe2(answer, O_CLOEXEC))
		child = fork();
	if (child < 0) {
		int error = errno;

		for (int end = 0; end < 2; end++) {
			close(start[end]);
			close(answer[end]);
		}
		return error;
	}
	if (child == 0) {
		sigset_t none;
		char go;
		int error;

		close(start[1]);
		close(answer[0]);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		if (read(start[0], &go, 1) != 1)
			_exit(70);  // the observer has gone
		execvp(argv[0], argv);
		error = errno;
		if (write(answer[1], &error, sizeof(error)) != sizeof(error))
			_exit(70);
		_exit(127);
	}
	close(start[0]);
	close(answer[1]);
	*pid = child;
	gate[0] = answer[0];
	gate[1] = start[1];
	return 0;
}

int vms_release(const int gate[2])
{
	int error = 0;
	ssize_t got;

	if (write(gate[1], "!", 1) != 1)
		error = errno;
	do
		got = error ? 0 : read(gate[0], &error, sizeof(error));
	while (got < 0 && errno == EINTR);
	close(gate[0]);
	close(gate[1]);
	return error;
}

int vms_signal_fd(bool stays)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	if (stays) {
		sigaddset(&set, SIGHUP);
		sigaddset(&set, SIGWINCH);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int vms_next_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

size_t vms_wait_to_write(int fd, size_t size)
{
	struct pollfd polled = { fd, POLLOUT, 0 };
	struct stat status;
	sigset_t set;

	if (!fstat(fd, &status) && S_ISREG(status.st_mode))
		return size;
	while (!poll(&polled, 1, 100))
		if (!sigpending(&set) && (sigismember(&set, SIGINT) || sigismember(&set, SIGTERM)))
			return 0;
	return size < PIPE_BUF ? size : PIPE_BUF;
}

void vms_restore_signals(void)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void vms_hold_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
}

bool vms_has_gained_privileges(void)
{
	return getauxval(AT_SECURE) != 0;
}

int vms_namespace_maker(int pid, uid_t *maker)
{
	struct stat own, at;
	char path[32];
	int fd, parent, result = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (stat("/proc/self/ns/user", &own))
		return -errno;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &at) && at.st_ino != own.st_ino) {
		// Of those around our own the kernel says nothing.
		while ((parent = ioctl(fd, NS_GET_PARENT)) >= 0) {
			if (fstat(parent, &at) || at.st_ino == own.st_ino) {
				close(parent);
				break;
			}
			close(fd);
			fd = parent;
		}
		result = ioctl(fd, NS_GET_OWNER_UID, maker) ? -errno : 1;
	}
	close(fd);
	return result;
}

int vms_terminal_size(int fd, int *columns, int *rows)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size))
		return -1;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return 0;
}

int vms_pidfd_open(int pid)
{
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int vms_fork(void)
{
	return fork();
}

int vms_move(void *from, size_t size, void *to, bool keeps_source)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keeps_source ? 4 : 0);  // MREMAP_DONTUNMAP

	return mremap(from, size, size, flags, to) == to ? 0 : -1;
}

int vms_merge_memory(void)
{
	return prctl(67, 1, 0, 0, 0);  // PR_SET_MEMORY_MERGE, since 6.4
}

/* An object that make links in has it (Makefile), so that another commit compiles nothing anew. */
extern const char vms_commit[] __attribute__((weak));

const char *vms_build_commit(void)
{
	return vms_commit ? vms_commit : "";
}

uint64_t vms_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void vms_run_first(void)
{
	setpriority(PRIO_PROCESS, 0, -20);
}

// The segments of a program that are never written to: a page that is needed again comes from the
// page cache.
static int drop_segments(struct dl_phdr_info *program, size_t size, void *page)
{
	(void)size;
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
		uintptr_t at = program->dlpi_addr + segment->p_vaddr;
		uintptr_t start = at & -*(uintptr_t *)page;

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			madvise((void *)start, at + segment->p_memsz - start, MADV_DONTNEED);
	}
	return 1;  // the first is the executable; others share theirs
}

void vms_release_memory(void)
{
	uintptr_t page = (uintptr_t)getpagesize();

	malloc_trim(0);
	dl_iterate_phdr(drop_segments, &page);
}

int vms_raise_locked_memory_limit(void)
{
	// Up to 5.10 maps are charged to it; later kernels don't mind.
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_MEMLOCK, &all) ? -errno : 0;
}

void vms_clear(void *memory, size_t size)
{
	if (size)
		explicit_bzero(memory, size);
}

void vms_publish(uint64_t *place, uint64_t value)
{
	__atomic_store_n(place, value, __ATOMIC_RELEASE);
}
