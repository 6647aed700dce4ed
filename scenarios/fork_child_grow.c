// expect[anon_vma:neighbour,hole:next]: mremap next anon_vma x1
// expect[anon_vma:neighbour,close:removed]: mremap next anon_vma x1
// merged[hole:next]: mremap 1
// merged[close:removed]: mremap 1
//
// What a child inherits joins no untouched memory of its own. But where it grows in place, kernels since 6.16 consider
// the merge without the VMA that grows (vma_merge_extend), and they merge.
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
