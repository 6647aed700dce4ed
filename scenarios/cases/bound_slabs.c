// filled: policy
// by: mbind bind_slab load
// do: one-policy
// changed
//
// Each slab is bound to a node, and the page before it is not. Changed: the arena is bound as a whole.
#include "case.h"

STEP void bind_slab(char *p, size_t pages)
{
	unsigned long nodes = 1;
	must(syscall(SYS_mbind, p, pages * PAGE, 2 /* MPOL_BIND */, &nodes, 64, 0) == 0, "mbind");
}

STEP void load(char *p)
{
	bind_slab(p + PAGE, 7);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *arena = map(8 * 300, RW, MEMORY);
	if (argc > 1)
		bind_slab(arena, 8 * 300);
	else
		for (int i = 0; i < 300; i++)
			load(arena + i * 8 * PAGE);
	return 0;
}
