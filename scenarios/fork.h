// For scenarios whose attempt is a forked child's.
#ifndef FORK_H
#define FORK_H

#include "scenario.h"

#include <sys/wait.h>

// Runs `child` in a child and waits for it, so that both are alive when it acts. The bare
// system call: fork() of the C library would run handlers and touch its own memory.
static inline void in_child(void (*child)(void))
{
	int status;
	pid_t pid = syscall(SYS_fork);

	CHECK(pid);
	if (pid == 0) {
		child();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0));
	if (status != 0)
		_exit(1);  // the child has said why
}

#endif
