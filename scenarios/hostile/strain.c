// Makes an observer of the whole system leave out somebody, or pause:
//   strain victim SECONDS        is refused a call five times a second, which nobody else may hide
//   strain deep SECONDS          the same, and its stack grows before each
//   strain toggles SECONDS       changes the protection of a page as often as it can
//   strain reader SECONDS PID    the same, and reads what everybody may read of PID, which takes that process's lock
//   strain refused SECONDS USEC  has children that are refused one call each
// Prints how many calls were refused. None stays root; the victim is a user whom nobody else is.
#include "hostile.h"
#include <alloca.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// More than there is memory for.
__attribute__((noinline)) static int be_refused(void)
{
	return mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static void toggle(double end)
{
	char *page = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	while (now() < end)
		for (int i = 0; i < 1000; i++)
			mprotect(page + 4096, 4096, i & 1 ? PROT_READ : PROT_NONE);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "victim";
	double end = now() + (argc > 2 ? atof(argv[2]) : 5);
	const char *more = argc > 3 ? argv[3] : "10000";
	long refused = 0;
	pid_t child;

	if (!strcmp(kind, "victim") || !strcmp(kind, "deep")) {
		if (setgid(65533) || setuid(65533))
			err(1, "setuid");
		prctl(PR_SET_NAME, "strain-victim");
		for (; now() < end; usleep(200000)) {
			if (kind[0] == 'd')
				*(volatile char *)alloca(64 << 10) = 1;
			refused += be_refused();
		}
	} else {
		if (nice(10) < 0 || setgid(65534) || setuid(65534))
			err(1, "setuid");
	}
	if (!strcmp(kind, "toggles"))
		toggle(end);
	if (!strcmp(kind, "reader")) {
		char path[64], text[64];

		child = fork();
		if (!child) {
			toggle(end);
			_exit(0);
		}
		snprintf(path, sizeof(path), "/proc/%s/cmdline", more);
		for (int i = 0; now() < end; i++) {
			int fd = open(path, O_RDONLY);

			if (fd < 0 || read(fd, text, sizeof(text)) < 0)
				err(1, "%s", path);
			close(fd);
			if (i % 10 == 0)
				usleep(1000);
		}
	}
	if (!strcmp(kind, "refused"))
		for (; now() < end; usleep((useconds_t)atoi(more))) {
			int status;

			child = fork();
			if (!child)
				_exit(be_refused());
			waitpid(child, &status, 0);
			refused += WIFEXITED(status) && WEXITSTATUS(status);
		}
	while (wait(NULL) > 0)
		;
	printf("%ld\n", refused);
	return 0;
}
