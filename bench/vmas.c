// vmas COUNT plain|touched|files
//
// A process of about COUNT VMAs: pages of alternating protection, of which every other one has been
// written to (touched), or is of one of 16 files (files). Says "ready", and then for each number of
// milliseconds on stdin maps and unmaps a page for that long, and prints how often it did, and the
// nanoseconds of processor time and of the clock that it took.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define FILES 16
#define RW (PROT_READ | PROT_WRITE)

static long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void *map(void *at, size_t bytes, int protection, int fd, off_t offset)
{
	void *p =
		mmap(at, bytes, protection,
		     MAP_PRIVATE | (at ? MAP_FIXED : 0) | (fd < 0 ? MAP_ANONYMOUS : 0), fd, offset);

	if (p == MAP_FAILED) {
		perror("vmas: mmap");
		exit(1);
	}
	return p;
}

static void open_files(int *files)
{
	for (int i = 0; i < FILES; i++) {
		char path[] = "/tmp/vmas-library-XXXXXX";

		files[i] = mkstemp(path);
		if (files[i] < 0 || ftruncate(files[i], 64 * PAGE)) {
			perror("vmas: a file in /tmp");
			exit(1);
		}
		unlink(path);
	}
}

static void make_vmas(long count, const char *kind)
{
	char *area = map(NULL, count * PAGE, PROT_NONE, -1, 0);
	int files[FILES];

	if (!strcmp(kind, "files"))
		open_files(files);
	for (long i = 0; i < count; i += 2) {
		char *page = area + i * PAGE;

		if (!strcmp(kind, "files")) {
			map(page, PAGE, PROT_READ, files[i / 2 % FILES], i / 2 % 64 * PAGE);
			continue;
		}
		if (mprotect(page, PAGE, RW)) {
			perror("vmas: mprotect");
			exit(1);
		}
		if (!strcmp(kind, "touched"))
			*page = 1;
	}
}

static void work(long milliseconds)
{
	char *reserve = map(NULL, 16 * PAGE, PROT_NONE, -1, 0), *page = reserve + 8 * PAGE;
	long operations = 0, wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	long end = wall + milliseconds * 1000000L;

	while (now(CLOCK_MONOTONIC) < end)
		for (int i = 0; i < 100; i++, operations++) {
			map(page, PAGE, RW, -1, 0);
			munmap(page, PAGE);
		}
	printf("%ld %ld %ld\n", operations, now(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       now(CLOCK_MONOTONIC) - wall);
	fflush(stdout);
	munmap(reserve, 16 * PAGE);
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[1]) : 0, milliseconds;

	if (count < 1 ||
	    (strcmp(argv[2], "plain") && strcmp(argv[2], "touched") && strcmp(argv[2], "files"))) {
		fprintf(stderr, "usage: vmas COUNT plain|touched|files\n");
		return 64;
	}
	make_vmas(count, argv[2]);
	puts("ready");
	fflush(stdout);
	while (scanf("%ld", &milliseconds) == 1)
		work(milliseconds);
	return 0;
}
