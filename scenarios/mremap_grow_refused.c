// expect[hole:next]: mremap next anon_vma x1
// expect[close:removed]: mremap next anon_vma x1
// merged[hole:next]: mremap 1
// merged[close:removed]: mremap 1
//
// The new part joins what it extends, whose anon_vma is not that of the next.
// Up to 5.18 (hole:prev with close:any) the kernel does not look at the next.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	map(3, 1, RW);
	touch(3, 1);
	grow(1, 1, 2);
	return 0;
}
