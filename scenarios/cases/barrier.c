// filled: prot
// by: mprotect hit on_fault ?
// do: coarse-barrier
// changed
// peak: 300
//
// A write barrier takes the protection of a page away when it is written, and protects all of them in each cycle:
// a saw-tooth, of which nothing is left in the end. Changed: its units are larger.
#include "case.h"

enum { PAGES = 1200 };
static char *heap;
static size_t unit = 1;

STEP void hit(char *page)
{
	size_t first = (size_t)(page - heap) / PAGE / unit * unit;
	if (mprotect(heap + first * PAGE, unit * PAGE, RW))
		_exit(2);
	RETURNS;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	hit(info->si_addr);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		unit = 100;
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &act, 0);
	heap = map(PAGES, RW, MEMORY);
	memset(heap, 1, PAGES * PAGE);
	for (int cycle = 0; cycle < 4; cycle++) {
		must(mprotect(heap, PAGES * PAGE, PROT_READ) == 0, "mprotect");
		for (int i = 0; i < 400; i++)
			heap[(size_t)i * 7919 % PAGES * PAGE]++;
	}
	must(mprotect(heap, PAGES * PAGE, PROT_READ) == 0, "mprotect");
	return 0;
}
