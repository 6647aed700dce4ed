// filled: prot
// by: mprotect instance main
// do: commit-in-order decommit
//
// Each instance reserves address space and commits two pieces of it, with other protections. Its rows are three
// kinds of pairs, and no row is called by another's name.
#include "case.h"

STEP void instance(void)
{
	char *p = map(256, PROT_NONE, MEMORY | MAP_NORESERVE);
	must(mprotect(p, 16 * PAGE, RW) == 0 && mprotect(p + 32 * PAGE, PAGE, PROT_READ) == 0,
	     "mprotect");
	p[0] = 1;
}

int main(void)
{
	for (int i = 0; i < 300; i++)
		instance();
	return 0;
}
