// filled: prot
// by: mmap give_back collect
// do: decommit
// changed
//
// A collector gives free blocks back by mapping PROT_NONE over them. Changed: MADV_DONTNEED gives the memory back,
// too, and leaves one VMA.
#include "case.h"

STEP void give_back(char *p, int changed)
{
	if (changed)
		must(madvise(p, 4 * PAGE, MADV_DONTNEED) == 0, "madvise");
	else
		must(mmap(p, 4 * PAGE, PROT_NONE, MEMORY | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
}

STEP void collect(char *heap, int changed)
{
	for (int i = 1; i < 600; i += 2)
		give_back(heap + i * 4 * PAGE, changed);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *heap = map(600 * 4, RW, MEMORY);
	memset(heap, 1, 600 * 4 * PAGE);
	collect(heap, argc > 1);
	return 0;
}
