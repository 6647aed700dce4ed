// expect: mremap prev pgoff x1
//
// A page that has been touched keeps the page offset of the place where it was first mapped:
// rmap finds its pages by it. So it does not continue a neighbour elsewhere, although the two
// share an anon_vma here.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	unmap(2, 1);
	move(3, 2, 1);
	return 0;
}
