// expect: mremap prev pgoff+anon_vma x1
//
// Mapped and touched in two places, then put side by side.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	map(11, 1, RW);
	touch(11, 1);
	move(11, 2, 1);
	return 0;
}
