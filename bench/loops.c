// loops OPERATION COUNT
//
// Does one operation COUNT times, once a line has come on stdin, and prints the nanoseconds that one took: this
// process's own processor time, which includes the kernel and observers that run in it. Stays until stdin ends.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define MANY 40000

static char *area;

static void map_and_unmap(void)
{
	char *p = mmap(area, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	munmap(p, PAGE);
}

// Splits a mapping into three, and makes it one again.
static void protect(void)
{
	mprotect(area + PAGE, PAGE, PROT_READ);
	mprotect(area + PAGE, PAGE, RW);
}

static void move(void)
{
	mremap(area, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 8 * PAGE);
	mremap(area + 8 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area);
}

// Changes a page of a process with many VMAs, at random: one change in eight joins VMAs or parts them.
static void scatter(void)
{
	static unsigned long state = 1;
	unsigned long page;

	state = state * 6364136223846793005 + 1442695040888963407;
	page = (state >> 33) % MANY;
	mprotect(area + page * PAGE, PAGE,
		 state >> 62 ? page % 2 ? RW : PROT_READ
		 : page % 2  ? PROT_READ
			     : RW);
}

static void move_brk(void)
{
	static char *end;

	if (!end)
		end = sbrk(0);
	syscall(SYS_brk, end + PAGE);
	syscall(SYS_brk, end);
}

static void get_ppid(void)
{
	syscall(SYS_getppid);
}

static const struct {
	const char *name;
	void (*call)(void);
	int pages;  // of the area that are mapped from the beginning
} operations[] = {
	{ "mmap", map_and_unmap, 0 }, { "mprotect", protect, 3 }, { "mremap", move, 1 },
	{ "many", scatter, MANY },    { "brk", move_brk, 0 },     { "getppid", get_ppid, 0 },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[2]) : 0;
	double start;

	for (unsigned i = 0; count > 0 && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(argv[1], operations[i].name))
			continue;
		area = mmap(0, (MANY + 32) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(area, (MANY + 32) * PAGE);
		if (operations[i].pages)
			mmap(area, operations[i].pages * PAGE, RW,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (long page = 0; operations[i].pages == MANY && page < MANY; page += 2)
			mprotect(area + page * PAGE, PAGE, PROT_READ);
		getchar();
		start = now();
		for (long n = 0; n < count; n++)
			operations[i].call();
		printf("%.1f\n", (now() - start) / count);
		fflush(stdout);
		while (getchar() != EOF)
			;
		return 0;
	}
	fprintf(stderr, "usage: loops mmap|mprotect|mremap|many|brk|getppid COUNT\n");
	return 2;
}
