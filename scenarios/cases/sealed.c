// filled: flags
// by: mseal other seal main
// do: seal-whole one-advice
// changed
//
// Every second page is sealed. Changed: the region is, as a whole.
#include "case.h"

STEP void seal(char *p, size_t pages)
{
	must(syscall(462, p, pages * PAGE, 0) == 0, "mseal");
}

int main(int argc, char **argv)
{
	(void)argv;
	char *p = map(400, PROT_READ, MEMORY);
	if (argc > 1)
		seal(p, 400);
	else
		for (int i = 1; i < 400; i += 2)
			seal(p + i * PAGE, 1);
	return 0;
}
