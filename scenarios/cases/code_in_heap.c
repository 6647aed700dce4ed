// filled: prot
// by: mprotect run_from_here generate
// do: code-region
// changed
//
// Generated code lies in pages of malloc's heap, which are made executable one by one. Changed: it has a region
// of its own.
#include "case.h"

STEP void run_from_here(void *p, size_t pages)
{
	must(mprotect(p, pages * PAGE, RW | PROT_EXEC) == 0, "mprotect");
}

STEP void generate(void)
{
	void *code = 0, *data = malloc(12000);
	must(data && posix_memalign(&code, PAGE, PAGE) == 0, "malloc");
	run_from_here(code, 1);
	*(char *)code = (char)0xc3;
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		run_from_here(map(300, RW, MEMORY), 300);
	else
		for (int i = 0; i < 300; i++)
			generate();
	return 0;
}
