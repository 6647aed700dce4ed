// filled: gaps
// by: munmap aligned main
// do: gaps-unmap
// changed
//
// Blocks are aligned by mapping too much and unmapping the ends: they lie apart, and nothing could merge. Changed:
// they come from one arena.
#include "case.h"

STEP char *aligned(size_t bytes, size_t alignment)
{
	char *p = map((bytes + alignment) / PAGE, RW, MEMORY);
	char *q = (char *)(((uintptr_t)p + alignment - 1) & ~(alignment - 1));
	if (q > p)
		munmap(p, (size_t)(q - p));
	if (p + alignment > q)
		munmap(q + bytes, (size_t)(p + alignment - q));
	return q;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *arena = argc > 1 ? aligned(500 * 65536, 65536) : 0;
	for (int i = 0; i < 500; i++)
		(arena ? arena + i * 65536 : aligned(10 * PAGE, 65536))[0] = 1;
	return 0;
}
