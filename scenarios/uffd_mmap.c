// expect: mmap prev flags+uffd (VM_UFFD_MISSING) x1
//
// What is watched has a context, and a flag besides; a new mapping has neither.
#include "uffd.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	watch(1, 1);
	map(2, 1, RW);
	return 0;
}
