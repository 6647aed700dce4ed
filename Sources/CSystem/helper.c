#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

int vms_socketpair(int ends[2])
{
	int size = 1 << 19;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	for (int end = 0; end < 2; end++)
		setsockopt(ends[end], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int vms_send(int socket, const void *bytes, size_t size, int fd, bool waits)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { (void *)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		struct cmsghdr *head;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size ? 0 : sent < 0 ? -errno : -EMSGSIZE;
}

ssize_t vms_receive(int socket, void *bytes, size_t size, int *fd, bool waits)
{
	// CMSG_SPACE would have room for a second descriptor, which nobody would close.
	_Alignas(struct cmsghdr) char control[CMSG_LEN(sizeof(int))] = { 0 };
	struct iovec part = { bytes, size };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = fd ? control : NULL,
				  .msg_controllen = fd ? sizeof(control) : 0 };
	struct cmsghdr *head;
	ssize_t got;

	if (fd)
		*fd = -1;
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (fd && head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(head), sizeof(int));
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
}

int vms_wait(int first, int second, int milliseconds)
{
	struct pollfd polled[2] = { { first, POLLIN, 0 }, { second, POLLIN, 0 } };

	if (poll(polled, 2, milliseconds) <= 0)
		return 0;
	return (polled[0].revents ? 1 : 0) | (polled[1].revents ? 2 : 0);
}

int vms_spawn_helper(const char *role, int first, int second, bool confined)
{
	char *const arguments[] = { "vmascope", (char *)role, NULL };
	char *const environment[] = { NULL };
	pid_t child = fork();

	if (child)
		return child < 0 ? -errno : child;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 0);
	// The keyboard's signals are for the observer, which then ends its helpers.
	setsid();
	// Away from 3 and 4 first, where either may be now.
	int high[2] = { fcntl(first, F_DUPFD, 10), fcntl(second, F_DUPFD, 10) };
	int null = open("/dev/null", O_RDWR);

	if (high[0] < 0 || high[1] < 0 || null < 0)
		_exit(70);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			_exit(70);
	if (dup2(high[0], 3) < 0 || dup2(high[1], 4) < 0 || syscall(SYS_close_range, 5, ~0U, 0))
		_exit(70);
	if (confined) {
		// A demangler's stack grows with the name.
		const struct rlimit stack = { 256 << 20, 256 << 20 };

		setrlimit(RLIMIT_STACK, &stack);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
			_exit(70);
	}
	execve("/proc/self/exe", arguments, environment);
	_exit(70);
}

void vms_end_helper(int pid)
{
	kill(pid, SIGKILL);
}

bool vms_has_ended(int pid)
{
	return waitpid(pid, NULL, WNOHANG) != 0;
}

// MARK: opening

// Whether files of this file system are the kernel's: to open one may do something (tracefs/free_buffer), and none
// has symbols.
static bool is_kernels(long type)
{
	static const unsigned int types[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,
		BPF_FS_MAGIC,
		SELINUX_MAGIC,
		SMACK_MAGIC,
		EFIVARFS_MAGIC,
		BINFMTFS_MAGIC,
		PSTOREFS_MAGIC,
		NSFS_MAGIC,
		RDTGROUP_SUPER_MAGIC,
		0x62656570 /* configfs */,
		0x65735543 /* fusectl */,
	};

	for (unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned int)type == types[i])
			return true;
	return false;
}

// Whether stat(2) may say another device, or inode, of files of this file system than mappings show.
static bool hides_numbers(long type)
{
	static const unsigned int types[] = {
		OVERLAYFS_SUPER_MAGIC,     BTRFS_SUPER_MAGIC,     0x00c36400 /* ceph */,
		0xca451a4e /* bcachefs */, 0x61756673 /* aufs */,
	};

	for (unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned int)type == types[i])
			return true;
	return false;
}

static int reopen(int place, const struct vms_numbers *expected)
{
	char path[64];
	struct stat status;
	struct statfs system;
	int fd, error = 0;

	if (place < 0)
		return -errno;
	// A device or a pipe may do something when it is opened.
	if (fstat(place, &status) || fstatfs(place, &system))
		error = errno;
	else if (!S_ISREG(status.st_mode) || is_kernels(system.f_type))
		error = EISDIR;
	// Opening another file would already do something: break a lease, or ask whose file system it is.
	else if (expected && !hides_numbers(system.f_type) &&
		 (((uint64_t)major(status.st_dev) << 32 | minor(status.st_dev)) !=
			  expected->device ||
		  status.st_ino != expected->inode))
		error = ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = error ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (!error && fd < 0)
		error = errno;
	close(place);
	return error ? -error : fd;
}

int vms_open_below(int root, const char *path, bool links, const struct vms_numbers *expected)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW * !links,
		.resolve =
			RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (links ? 0 : RESOLVE_NO_SYMLINKS),
	};

	return reopen((int)syscall(SYS_openat2, root, path, &how, sizeof(how)), expected);
}

int vms_open_link(const char *path, const struct vms_numbers *expected)
{
	return reopen(open(path, O_PATH | O_CLOEXEC), expected);
}

int vms_open_link_place(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vms_open_place(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

// MARK: rights

// The capabilities that would let us read what the process can't.
#define OVERRIDES                                                                \
	(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER | \
	 1U << CAP_SYS_ADMIN)

static int set_overrides(bool on)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];

	if (syscall(SYS_capget, &head, sets))
		return -errno;
	sets[0].effective = on ? sets[0].permitted : sets[0].effective & ~OVERRIDES;
	sets[1].effective = on ? sets[1].permitted : sets[1].effective;
	return syscall(SYS_capset, &head, sets) ? -errno : 0;
}

static struct {
	uid_t uid;
	gid_t gid;
	gid_t groups[256];
	int count;
	bool known;
} own;

int vms_become(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count)
{
	if (!own.known) {
		own.uid = geteuid();
		own.gid = getegid();
		own.count = getgroups(256, own.groups);
		own.known = true;
	}
	if (own.count < 0 || count > 256)
		return -E2BIG;
	// Without the right to change them, only our own user's.
	syscall(SYS_setgroups, count, groups);
	setfsgid(gid);
	setfsuid(uid);
	if ((uid_t)setfsuid(-1) != uid)
		return -EPERM;
	// Root's own files need none of these, and a process of root may have given them up.
	return set_overrides(false);
}

int vms_be_ourselves(void)
{
	setfsuid(own.uid);
	setfsgid(own.gid);
	syscall(SYS_setgroups, (size_t)own.count, own.groups);
	if ((uid_t)setfsuid(-1) != own.uid)
		return -EPERM;
	return set_overrides(true);
}
