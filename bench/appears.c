// appears FILE BYTES COMMAND...
//
// Starts COMMAND and prints how many milliseconds passed until FILE had more than BYTES, the size of its
// heading. Then ends COMMAND, by SIGINT.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	double start = now(), took;
	struct stat file;
	off_t heading = argc > 3 ? atol(argv[2]) : 0;
	pid_t child;

	if (argc < 4) {
		fprintf(stderr, "usage: appears FILE BYTES COMMAND...\n");
		return 2;
	}
	child = fork();
	if (child == 0) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	for (;;) {
		nanosleep(&pause, NULL);
		took = now() - start;
		if (!stat(argv[1], &file) && file.st_size > heading)
			break;
		if (took > 60000 || waitpid(child, NULL, WNOHANG)) {
			fprintf(stderr,
				"appears: %s ended, or hung, before there was anything in %s\n",
				argv[3], argv[1]);
			kill(child, SIGKILL);
			return 1;
		}
	}
	printf("%.1f\n", took);
	kill(child, SIGINT);
	waitpid(child, NULL, 0);
	return 0;
}
