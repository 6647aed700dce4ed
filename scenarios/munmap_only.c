// nothing missed
//
// Unmapping splits and shrinks, and never merges.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 5, RW);
	touch(1, 5);
	unmap(2, 1);
	unmap(5, 1);
	return 0;
}
