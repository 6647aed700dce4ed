// filled: flags
// by: madvise register_buffer serve
// do: dofork
// detail: VM_DONTCOPY
// changed
//
// A buffer is kept out of children while a device works on it, and never given back to them. Changed: it is.
#include "case.h"

STEP void register_buffer(char *p, int advice)
{
	must(madvise(p, 4 * PAGE, advice) == 0, "madvise");
}

STEP void serve(char *p, int changed)
{
	register_buffer(p, MADV_DONTFORK);
	if (changed)
		register_buffer(p, MADV_DOFORK);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *pool = map(8 * 300, RW, MEMORY);
	for (unsigned i = 0; i < 300; i++)
		serve(pool + i * 7919u % 300 * 8 * PAGE, argc > 1);
	return 0;
}
