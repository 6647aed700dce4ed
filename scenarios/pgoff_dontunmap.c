// expect: mremap prev pgoff x1
//
// With MREMAP_DONTUNMAP the source stays, so it is a neighbour like any other: same anon_vma,
// but the copy begins with the offset with which the source begins.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	move_with(1, 2, 1, MREMAP_DONTUNMAP);
	return 0;
}
