// expect: mremap prev pgoff x29 recoverable
// expect: mremap prev pgoff x16 shared
// stands: alive pgoff x14 recoverable
// stands: alive pgoff x31 shared
// stands: child pgoff+anon_vma x15 shared
// stands: gone pgoff x29 recoverable
// stands: gone pgoff x16 shared
//
// Mappings that were moved after they had been touched, in nine groups that share their pages with
// other processes in different ways. The series would merge only what is not shared, and judges that by
// the anon_vma alone: what a living child has inherited is shared, whoever has written to it since.
//
// Alone it does all this and exits (gone: what stands has been tried while it was observed). With an
// argument it writes "ready", and the child's process id, and stays, with its child (alive, child: nobody
// has tried what stands, so it is as if it were tried now).
#include "fork.h"
#include "shm.h"

#include <signal.h>
#include <sys/prctl.h>

enum { EXITED, EXECED, SHARED, HALF, BY_CHILD, BY_PARENT, MOVED, MOVED_BY_CHILD, AFTER, GROUPS };

static const struct {
	int mappings;
	// Before the child that stays is forked: it inherits the boundary.
	int moved_before;
} groups[GROUPS] = {
	[EXITED] = { 3, 1 },          // with a child that has exited
	[EXECED] = { 2, 1 },          // with a child that has called exec
	[SHARED] = { 5, 0 },          // with the child that stays, all pages
	[HALF] = { 1, 0 },            // with it, but for one page that it has written
	[BY_CHILD] = { 4, 0 },        // with it, which has written all of them
	[BY_PARENT] = { 6, 0 },       // with it, written here since
	[MOVED] = { 7, 1 },           // as SHARED
	[MOVED_BY_CHILD] = { 8, 1 },  // as BY_CHILD
	[AFTER] = { 9, 0 },           // with nobody: touched only when the child was there
};

// Four pages each: the first two stay, and the fourth moves to where the third was. The second is
// only read. That maps the zero page, which everybody shares, and which is nobody's.
static long place(int group, int mapping)
{
	return 1 + 8 * (16 * group + mapping);
}

static void each(int group, void (*do_it)(long page))
{
	for (int i = 0; i < groups[group].mappings; i++)
		do_it(place(group, i));
}

static void begin(long page)
{
	map(page, 4, RW);
	touch(page, 1);
	(void)*(volatile char *)at(page + 1);
	touch(page + 3, 1);
}

static void write_first(long page)
{
	touch(page, 1);
}

static void write_both(long page)
{
	touch(page, 1);
	touch(page + 3, 1);
}

static void write_moved(long page)
{
	touch(page, 1);
	touch(page + 2, 1);
}

static void keep(long page)
{
	advise(page, 4, MADV_DONTFORK);
}

static void shift(long page)
{
	unmap(page + 2, 1);
	move(page + 3, page + 2, 1);
}

// Forks a child that attaches the segment and then exits or calls exec; returns when its memory is
// gone. That may be later than its end: whoever reads its /proc/PID/maps meanwhile keeps it
// alive, and with it what it shares. The segment is let go of after the anon_vmas are.
static void in_passing_child(void (*leave)(void))
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	struct shmid_ds segment;
	int pipe[2];
	char byte;
	pid_t pid;

	CHECK(id);
	CHECK(pipe2(pipe, O_CLOEXEC));
	pid = syscall(SYS_fork);
	CHECK(pid);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		CHECK((long)shmat(id, NULL, 0));
		leave();
		_exit(1);
	}
	close(pipe[1]);
	CHECK(read(pipe[0], &byte, 1));
	close(pipe[0]);
	do
		CHECK(shmctl(id, IPC_STAT, &segment));
	while (segment.shm_nattch);
	CHECK(shmctl(id, IPC_RMID, NULL));
}

static void leave_by_exit(void)
{
	_exit(0);
}

static void leave_by_exec(void)
{
	execl("/proc/self/exe", "sharing", "sleep", NULL);
}

// Forks the child that stays, and returns when it has written what it is to write.
static pid_t fork_child(void)
{
	int pipe[2];
	char byte;
	pid_t pid;

	CHECK(pipe2(pipe, O_CLOEXEC));
	pid = syscall(SYS_fork);
	CHECK(pid);
	if (pid == 0) {
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
		each(HALF, write_first);
		each(BY_CHILD, write_both);
		each(MOVED_BY_CHILD, write_moved);
		CHECK(write(pipe[1], "x", 1));
		for (;;)
			pause();
	}
	CHECK(read(pipe[0], &byte, 1));
	return pid;
}

static void tell_ready(pid_t child)
{
	char text[32] = "ready ", *end = text + sizeof(text), *digits = end;

	*--digits = '\n';
	for (long rest = child; rest; rest /= 10)
		*--digits = '0' + rest % 10;
	memmove(text + 6, digits, end - digits);
	CHECK(write(1, text, 6 + (end - digits)));
}

int main(int argc, char **argv)
{
	pid_t child;

	if (argc > 1 && !strcmp(argv[1], "sleep"))
		for (;;)
			pause();
	open_area();
	each(EXITED, begin);
	in_passing_child(leave_by_exit);
	each(EXECED, begin);
	in_passing_child(leave_by_exec);
	each(EXITED, keep);
	each(EXECED, keep);
	for (int group = SHARED; group < AFTER; group++)
		each(group, begin);
	for (int group = 0; group < GROUPS; group++)
		if (groups[group].moved_before)
			each(group, shift);
	child = fork_child();
	each(BY_PARENT, write_both);
	each(AFTER, begin);
	for (int group = 0; group < GROUPS; group++)
		if (!groups[group].moved_before)
			each(group, shift);
	if (argc > 1) {
		tell_ready(child);
		for (;;)
			pause();
	}
	return 0;
}
