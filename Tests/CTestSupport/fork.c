#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests.h"

pid_t tests_fork_as(pid_t id)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = id ? (uintptr_t)&id : 0,
		.set_tid_size = id ? 1 : 0,
	};
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child < 0)
		return -errno;
	if (child)
		return (pid_t)child;
	alarm(60);  // if nobody ends it
	for (;;)
		pause();
}
