#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests.h"

static long open2(const char *path, unsigned long long flags)
{
	struct open_how how = { .flags = flags, .mode = flags & O_CREAT ? 0600 : 0 };

	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static long open1(const char *path, int flags)
{
	return syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
}

// `fd`: the process's own status, opened while it could be.
static void read_status(int fd, struct tests_confined *result)
{
	char text[4096], *field;
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = 0;
	if ((field = strstr(text, "\nUid:")))
		sscanf(field + 5, "%u", &result->uid);
	if ((field = strstr(text, "\nCapPrm:")))
		sscanf(field + 8, "%lx", &result->capabilities);
}

static void try_all(const char *path, const char *absent, pid_t victim,
		    struct tests_confined *result)
{
	char memory[64], byte = 'x';
	struct iovec part = { &byte, 1 }, there = { (void *)&part, 1 };
	int fd = (int)open1(path, O_RDONLY);

	result->reads = fd >= 0 && read(fd, &byte, 1) == 1 ? 0 : errno;
	snprintf(memory, sizeof(memory), "/proc/%d/mem", victim);
#define TRY(call)                                                                 \
	do {                                                                      \
		if ((call) != -1)                                                 \
			strncat(result->done, #call "\n",                         \
				sizeof(result->done) - 1 - strlen(result->done)); \
	} while (0)
	TRY(open1(path, O_RDWR));
	TRY(open1(path, O_WRONLY | O_APPEND));
	TRY(open1(path, O_RDONLY | O_TRUNC));
	TRY(open1(absent, O_RDONLY | O_CREAT));
	TRY(open1("/tmp", O_RDWR | O_TMPFILE));
	TRY(open1(memory, O_RDWR));
	TRY(open2(path, O_RDWR));
	TRY(open2(path, O_RDONLY | O_TRUNC));
	TRY(open2(absent, O_RDWR | O_CREAT));
	TRY(open2(memory, O_RDWR));
	TRY(syscall(SYS_open, path, O_RDWR));
	TRY(syscall(SYS_creat, path, 0600));
	TRY(syscall(SYS_open_by_handle_at, AT_FDCWD, &part, O_RDWR));
	TRY(syscall(SYS_truncate, path, 0));
	TRY(syscall(SYS_ftruncate, fd, 0));
	TRY(syscall(SYS_fallocate, fd, 0, 0, 1));
	TRY(syscall(SYS_write, fd, &byte, 1));
	TRY(syscall(SYS_pwrite64, fd, &byte, 1, 0));
	TRY((long)mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	TRY((long)mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0));
	TRY(process_vm_writev(victim, &part, 1, &there, 1, 0));
	TRY(ptrace(PTRACE_ATTACH, victim, 0, 0));
	TRY(syscall(SYS_pidfd_open, victim, 0));
	TRY(syscall(SYS_kill, victim, SIGCONT));
	TRY(syscall(SYS_fcntl, fd, F_SETOWN, victim));
	TRY(syscall(SYS_fcntl, fd, F_SETSIG, SIGCONT));
	TRY(syscall(SYS_fcntl, fd, F_SETLEASE, F_RDLCK));
	TRY(syscall(SYS_unlink, path));
	TRY(syscall(SYS_rename, path, absent));
	TRY(syscall(SYS_link, path, absent));
	TRY(syscall(SYS_symlink, path, absent));
	TRY(syscall(SYS_mkdir, absent, 0700));
	TRY(syscall(SYS_mknod, absent, 0100600, 0));
	TRY(syscall(SYS_chmod, path, 0666));
	TRY(syscall(SYS_chown, path, 1, 1));
	TRY(syscall(SYS_setxattr, path, "user.x", &byte, 1, 0));
	TRY(syscall(SYS_utimensat, AT_FDCWD, path, NULL, 0));
	TRY(syscall(SYS_setuid, 0));
	TRY(syscall(SYS_setfsuid, 0));
	TRY(syscall(SYS_setgroups, 0, NULL));
	TRY(syscall(SYS_unshare, CLONE_NEWUSER));
	TRY(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	TRY(syscall(SYS_io_uring_setup, 1, &byte));
#undef TRY
}

static int drop(uint64_t capabilities)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &head, sets))
		return -1;
	for (int half = 0; half < 2; half++) {
		sets[half].permitted &= ~(uint32_t)(capabilities >> 32 * half);
		sets[half].effective = sets[half].permitted;
	}
	return (int)syscall(SYS_capset, &head, sets);
}

int tests_confine(int (*confine)(void), uint64_t lacking, const char *path, const char *absent,
		  pid_t victim, struct tests_confined *result)
{
	int ends[2], status;
	pid_t child;
	ssize_t got;

	memset(result, 0, sizeof(*result));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends))
		return -errno;
	child = fork();
	if (!child) {
		struct iovec part = { result, sizeof(*result) };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

		int status_fd = open("/proc/self/status", O_RDONLY);

		if (drop(lacking) || confine())
			_exit(1);
		read_status(status_fd, result);
		try_all(path, absent, victim, result);
		_exit(sendmsg(ends[1], &message, 0) == (ssize_t)sizeof(*result) ? 0 : 2);
	}
	close(ends[1]);
	got = child < 0 ? -1 : read(ends[0], result, sizeof(*result));
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -errno;
	return got == (ssize_t)sizeof(*result) && !status ? 0 : -EPROTO;
}

int tests_read_as(const char *path, uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
	pid_t child = fork();
	int status;

	if (!child) {
		if (setgroups(count, groups) || setresgid(gid, gid, gid) ||
		    setresuid(uid, uid, uid))
			_exit(255);
		_exit(open(path, O_RDONLY) >= 0 ? 0 : errno);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

int tests_set_attribute(const char *path, const char *name, const void *value, size_t size)
{
	return setxattr(path, name, value, size, 0) ? -errno : 0;
}

int tests_place_in_root(int root, const char *path, bool links)
{
	struct open_how how = {
		.flags = O_PATH,
		.resolve =
			RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (links ? 0 : RESOLVE_NO_SYMLINKS),
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}
