// do: nothing
//
// The heap grows in forked children, where what was inherited does not merge with what is new: one boundary a
// child, whatever comes after. Nobody has to do anything.
#include "case.h"

STEP void grow(int pages)
{
	char *p = sbrk(pages * (intptr_t)PAGE);
	must(p != (char *)-1, "sbrk");
	memset(p, 1, pages * PAGE);
}

int main(void)
{
	grow(16);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			for (int k = 0; k < 20; k++)
				grow(4);
			_exit(0);
		}
	while (wait(0) > 0)
		;
	return 0;
}
