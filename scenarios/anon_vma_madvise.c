// expect: madvise prev anon_vma x1
//
// Touched while VM_DONTDUMP told them apart: a page fault does not take over the anon_vma of
// a neighbour whose flags differ in more than read, write and exec. Equal again, but too late.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	advise(2, 1, MADV_DONTDUMP);
	touch(1, 2);
	advise(2, 1, MADV_DODUMP);
	return 0;
}
