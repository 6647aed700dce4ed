#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
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

uint64_t vms_process_time(int pid)
{
	clockid_t clock;
	struct timespec time;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// Those that run: more than there ever are at once. A process that has ended is the kernel's to count.
static int running[64];

static void note_running(int before, int after)
{
	for (unsigned int i = 0; i < sizeof(running) / sizeof(*running); i++)
		if (running[i] == before) {
			running[i] = after;
			return;
		}
}

uint64_t vms_helpers_time(void)
{
	struct rusage ended;
	uint64_t sum = 0;

	if (!getrusage(RUSAGE_CHILDREN, &ended))
		sum = ((uint64_t)ended.ru_utime.tv_sec + (uint64_t)ended.ru_stime.tv_sec) *
			      1000000000 +
		      ((uint64_t)ended.ru_utime.tv_usec + (uint64_t)ended.ru_stime.tv_usec) * 1000;
	for (unsigned int i = 0; i < sizeof(running) / sizeof(*running); i++)
		if (running[i])
			sum += vms_process_time(running[i]);
	return sum;
}

int vms_spawn_helper(const char *role, int first, int second, bool confined)
{
	char *const arguments[] = { "vmascope", (char *)role, NULL };
	char *const environment[] = { NULL };
	pid_t child = fork();

	if (child) {
		int error = errno;

		if (child > 0)
			note_running(0, child);
		return child < 0 ? -error : child;
	}
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

int vms_spawn_command(char *const arguments[], int folder, uint64_t bytes, int *errors)
{
	const struct rlimit size = { bytes, bytes };
	pid_t parent = getpid();
	pid_t child;

	*errors = memfd_create("stderr", MFD_CLOEXEC);
	if (*errors < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		int error = errno;

		close(*errors);
		return -error;
	}
	if (child)
		return child;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	// The keyboard's signals are for who was started by hand.
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(70);
	// Writing beyond it fails, and a recording then ends there.
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &size) || fchdir(folder))
		_exit(70);
	int high = fcntl(*errors, F_DUPFD, 10);
	int null = open("/dev/null", O_RDWR);

	if (high < 0 || null < 0 || dup2(high, 2) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    syscall(SYS_close_range, 3, ~0U, 0))
		_exit(70);
	execv("/proc/self/exe", arguments);
	_exit(70);
}

void vms_end_helper(int pid)
{
	kill(pid, SIGKILL);
}

bool vms_has_ended(int pid, int *status)
{
	int how = 0;
	pid_t ended = waitpid(pid, &how, WNOHANG);

	if (status)
		*status = ended == pid && WIFEXITED(how) ? WEXITSTATUS(how) : 0;
	if (ended)
		note_running(pid, 0);
	return ended != 0;
}
