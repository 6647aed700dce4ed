// merged[hole:next]: mremap 1
// merged[close:removed]: mremap 1
// nothing missed
//
// Growing fills the hole that was torn before: the new part joins both sides.
// Up to 5.18 the kernel lengthens the VMA without looking at what follows.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	unmap(2, 1);
	grow(1, 1, 2);
	return 0;
}
