// filled: prot
// by: mprotect guards main
// do: guard-install
// peak: 1000
//
// Guard pages that are gone before the end, with all that they guarded.
#include "case.h"

STEP void guards(char *p)
{
	for (int i = 1; i < 1000; i += 2)
		must(mprotect(p + i * PAGE, PAGE, PROT_NONE) == 0, "mprotect");
	RETURNS;
}

int main(void)
{
	char *p = map(1001, RW, MEMORY);
	guards(p);
	munmap(p, 1001 * PAGE);
	return 0;
}
