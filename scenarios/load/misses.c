// misses PROCESSES ROUNDS
//
// PROCESSES processes, each with a known number of missed merges: the Nth does ROUNDS rounds, and in
// N of 10 of them the page that it maps has another protection than the one before it. When all is done
// it prints `sections=S missed=M`: what the kernel was asked for in their areas, and sides missed by
// `prot`. All of them then wait to be ended, so that their figures can be read.
#include "../scenario.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

static long rounds_of(long n, long rounds)
{
	return n % 10 * rounds / 10;
}

static void work(long n, long rounds)
{
	open_area();
	for (long i = 0; i < rounds; i++) {
		CHECK(mmap(at(0), PAGE, RW, ANON | MAP_FIXED, -1, 0));
		CHECK(mmap(at(1), PAGE, i < rounds_of(n, rounds) ? R : RW, ANON | MAP_FIXED, -1,
			   0));
		CHECK(munmap(at(0), 2 * PAGE));
	}
}

int main(int argc, char **argv)
{
	long processes = argc > 1 ? atol(argv[1]) : 0, rounds = argc > 2 ? atol(argv[2]) : 0,
	     missed = 0;
	int done[2];
	char byte;

	if (processes < 1 || processes > 10000 || rounds < 1) {
		fprintf(stderr, "usage: misses PROCESSES(1-10000) ROUNDS\n");
		return 2;
	}
	CHECK(pipe(done));
	for (long n = 0; n < processes; n++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL));
			work(n, rounds);
			CHECK(write(done[1], "", 1));
			for (;;)
				pause();
		}
		missed += rounds_of(n, rounds);
	}
	for (long n = 0; n < processes; n++)
		CHECK(read(done[0], &byte, 1));
	// Two in each are open_area()'s.
	printf("sections=%ld missed=%ld\n", processes * (rounds * 3 + 2), missed);
	fflush(stdout);
	for (;;)
		pause();
}
