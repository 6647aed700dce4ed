// nothing missed
//
// MREMAP_DONTUNMAP copies the middle of a VMA. 5.10 then takes the next VMA, however far away, for the rest of the
// source, and marks it VM_ACCOUNT (move_vma).
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
