// nothing missed
// merged[anon_pgoff:own]: mremap 1
//
// Since 6.17 one mremap moves several VMAs, one after the other. With MREMAP_DONTUNMAP the first
// has no anon_vma any more when the second is copied to right before it, so they merge, although
// what a child inherits otherwise joins nothing of its own. Kernels before refuse the whole.
#include "fork.h"

static void child(void)
{
	map(5, 1, RW);
	mremap(at(3), 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at(0));
}

int main(void)
{
	open_area();
	map(3, 1, RW);
	touch(3, 1);
	in_child(child);
	return 0;
}
