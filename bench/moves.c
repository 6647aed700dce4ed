// moves MIB HOW COUNT
//
// Moves MIB (0: a page) of touched memory by mremap there and back, COUNT times, as realloc of a large block does, and prints the
// nanoseconds that one move took: this process's own processor time. HOW: `tables` (both places alike, so that the
// kernel moves whole page tables), `entries` (they differ by a page: it moves each entry), `huge` (huge pages).
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096UL
#define AREA ((char *)0x200000000000)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned long size = argc > 3 ? strtoul(argv[1], 0, 0) << 20 : 0;
	int count = argc > 3 ? atoi(argv[3]) : 0, is_huge = argc > 3 && !strcmp(argv[2], "huge");
	char *here = AREA, *there = AREA + (16UL << 30);
	double start;

	if (!count)
		return 64;
	if (!size)
		size = PAGE;
	if (!strcmp(argv[2], "entries"))
		there += PAGE;
	if (mmap(here, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		return 1;
	madvise(here, size, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < size; i += PAGE)
		here[i] = 1;
	start = now();
	for (int i = 0; i < 2 * count; i++) {
		char *to = i % 2 ? here : there;

		if (mremap(i % 2 ? there : here, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
		    MAP_FAILED)
			return 2;
	}
	fprintf(stderr, "ns %.0f\n", (now() - start) / (2 * count));
	return 0;
}
