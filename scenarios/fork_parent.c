// merged: mmap 1
// nothing missed
//
// The parent of a living child merges on: its own anon_vma_chain stays singular.
#include "scenario.h"

#include <signal.h>
#include <sys/wait.h>

int main(void)
{
	pid_t pid;

	open_area();
	map(1, 1, RW);
	touch(1, 1);
	pid = syscall(SYS_fork);
	CHECK(pid);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	map(2, 1, RW);
	CHECK(kill(pid, SIGKILL));
	CHECK(waitpid(pid, NULL, 0));
	return 0;
}
