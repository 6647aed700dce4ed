// expect[anon_vma:neighbour,hole:next]: mremap next anon_vma x1
// expect[anon_vma:neighbour,close:removed]: mremap next anon_vma x1
// merged[hole:next]: mremap 1
// merged[close:removed]: mremap 1
//
// What a child inherits joins no memory of its own that is untouched; but where it grows in place
// the kernel, since 6.16, asks on behalf of nobody, and they merge.
#include "fork.h"

static void child(void)
{
	map(3, 1, RW);
	grow(1, 1, 2);
}

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	in_child(child);
	return 0;
}
