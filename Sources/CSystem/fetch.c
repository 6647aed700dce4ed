#define _GNU_SOURCE
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void become(uint32_t uid, uint32_t gid)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		_exit(70);
	if (geteuid() != uid || getuid() != uid || getegid() != gid)
		_exit(70);
	// Capabilities that the user has of vmascope's file are not inherited, and no file gives any.
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(70);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int vms_spawn_fetch(char *const arguments[], char *const environment[], uint32_t uid, uint32_t gid,
		    int *output)
{
	int ends[2];
	pid_t parent = getpid(), child;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child) {
		int error = errno;

		close(ends[1]);
		if (child < 0) {
			close(ends[0]);
			return -error;
		}
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		*output = ends[0];
		return child;
	}
	sigset_t none;
	int null = open("/dev/null", O_RDWR);
	// Of the file that it writes.
	const struct rlimit size = { 4ULL << 30, 4ULL << 30 }, core = { 0, 0 };

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 5);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(null, 2) < 0 ||
	    syscall(SYS_close_range, 3, ~0U, 0) || chdir("/"))
		_exit(70);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_CORE, &core);
	become(uid, gid);
	// A change of the user takes it back.
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(70);
	execve(arguments[0], arguments, environment);
	_exit(70);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	remove(path);
	return 0;
}

void vms_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
