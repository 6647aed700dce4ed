// filled: prot
// by: mprotect fiber main
// do: guard-install
// changed
//
// Each fiber has a stack with a page at its end that nobody may access. Changed: MADV_GUARD_INSTALL.
#include "case.h"

STEP void fiber(int changed)
{
	char *p = map(17, RW, MEMORY);
	must((changed ? madvise(p, PAGE, 102) : mprotect(p, PAGE, PROT_NONE)) == 0, "red zone");
	p[16 * PAGE] = 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 300; i++)
		fiber(argc > 1);
	return 0;
}
