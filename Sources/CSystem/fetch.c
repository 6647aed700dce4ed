#define _GNU_SOURCE
#include "fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

// Bytes that may still be written: of all, without what the earlier ones have left.
static unsigned long long room(char *const earlier[], unsigned int lost)
{
	unsigned long long used = (unsigned long long)lost * VMS_FETCH_EACH;
	struct stat status;

	for (; *earlier; earlier++)
		if (!lstat(*earlier, &status) && status.st_size > 0)
			used += (unsigned long long)status.st_size;
	return used >= VMS_FETCH_ALL                   ? 0
	       : VMS_FETCH_ALL - used < VMS_FETCH_EACH ? VMS_FETCH_ALL - used
						       : VMS_FETCH_EACH;
}

int vms_spawn_fetch(char *const arguments[], char *const environment[], uint32_t uid, uint32_t gid,
		    char *const earlier[], unsigned int lost, int *output)
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
	const struct rlimit core = { 0, 0 };
	struct rlimit size;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpriority(PRIO_PROCESS, 0, 5);
	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(ends[1], 1) < 0 || dup2(null, 2) < 0 ||
	    syscall(SYS_close_range, 3, ~0U, 0) || chdir("/"))
		_exit(70);
	setrlimit(RLIMIT_CORE, &core);
	become(uid, gid);
	// Of the file that it writes. The user's own paths are looked at with the user's rights.
	size.rlim_cur = size.rlim_max = room(earlier, lost);
	if (!size.rlim_cur || setrlimit(RLIMIT_FSIZE, &size))
		_exit(70);
	// A change of the user takes it back.
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(70);
	execve(arguments[0], arguments, environment);
	_exit(70);
}

// Removes what is in a directory, through descriptors: no link is followed, whoever puts one there meanwhile.
static void empty(int folder, int depth)
{
	DIR *entries = fdopendir(folder);
	struct dirent *entry;

	if (!entries) {
		close(folder);
		return;
	}
	while ((entry = readdir(entries))) {
		int below;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!unlinkat(dirfd(entries), entry->d_name, 0))
			continue;
		below = openat(dirfd(entries), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (below >= 0 && depth > 0)
			empty(below, depth - 1);
		else if (below >= 0)
			close(below);
		unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
	}
	closedir(entries);
}

void vms_remove_tree(const char *path, uint32_t uid, uint32_t gid)
{
	pid_t child = fork();

	if (child < 0)
		return;
	if (!child) {
		int folder;

		become(uid, gid);
		folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (folder >= 0)
			empty(folder, 16);
		_exit(0);
	}
	for (int wait = 0; wait < 200 && !waitpid(child, NULL, WNOHANG); wait++) {
		if (wait == 199) {
			kill(child, SIGKILL);
			waitpid(child, NULL, WNOHANG);
		}
		usleep(10000);
	}
	// It lies in a directory of root's, and has to be empty.
	rmdir(path);
}
