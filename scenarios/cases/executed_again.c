// filled: flags
// by: madvise late main
// do: dodump
//
// A program executes itself. Its second image has nothing of what the first one did: early() is in no line.
#include "case.h"

STEP void early(char *p)
{
	must(mprotect(p, PAGE, PROT_NONE) == 0, "mprotect");
}

STEP void late(char *p)
{
	must(madvise(p, PAGE, MADV_DONTDUMP) == 0, "madvise");
}

int main(int argc, char **argv)
{
	char *p = map(1000, RW, MEMORY);
	for (int i = 1; i < (argc > 1 ? 999 : 600); i += 2)
		argc > 1 ? late(p + i * PAGE) : early(p + i * PAGE);
	if (argc == 1)
		execl(argv[0], argv[0], "again", (char *)0);
	return 0;
}
