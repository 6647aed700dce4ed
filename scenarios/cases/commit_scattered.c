// filled: anon_vma
// by: mprotect commit allocate
// do: commit-whole
// changed
//
// A reserve is committed slice by slice, in no order, and each slice touched before its neighbours: all are
// readable and writable in the end, and none merge. Changed: in order of address.
#include "case.h"

enum { SLICES = 600 };

STEP void commit(char *p)
{
	must(mprotect(p, 4 * PAGE, RW) == 0, "mprotect");
	p[0] = 1;
}

STEP void allocate(char *arena, int changed)
{
	for (unsigned i = 0; i < SLICES; i++)
		commit(arena + (changed ? i : i * 7919u % SLICES) * 4 * PAGE);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	allocate(map(4 * SLICES, PROT_NONE, MEMORY | MAP_NORESERVE), argc > 1);
	return 0;
}
