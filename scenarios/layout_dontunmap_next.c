// nothing missed
//
// 5.10 takes the next VMA behind one of which MREMAP_DONTUNMAP has copied the middle, however far away,
// for the rest of that, and marks it VM_ACCOUNT (move_vma).
#include "scenario.h"

int main(void)
{
	int file;

	open_area();
	CHECK(file = memfd_create("file", 0));
	CHECK(ftruncate(file, PAGE));
	map(1, 5, RW);
	map_file(8, 1, RW, MAP_SHARED, file, 0);
	touch(2, 1);
	move_with(2, 20, 1, MREMAP_DONTUNMAP);
	return 0;
}
