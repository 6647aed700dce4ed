// expect: mremap next pgoff x1
//
// As pgoff_mremap, seen from the other side.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	unmap(2, 1);
	move(1, 2, 1);
	return 0;
}
