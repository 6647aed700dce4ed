// expect: mremap prev pgoff x1
//
// MADV_DONTNEED gives the pages back but not the anon_vma, and it is the anon_vma that makes
// the kernel keep the page offset: empty memory is no easier to merge.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	advise(1, 3, MADV_DONTNEED);
	unmap(2, 1);
	move(3, 2, 1);
	return 0;
}
