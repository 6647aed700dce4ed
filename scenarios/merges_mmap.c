// merged: mmap 3
// nothing missed
#include "scenario.h"

int main(void)
{
	open_area();
	// To the left,
	map(1, 1, RW);
	map(2, 1, RW);
	// to the right,
	map(12, 1, RW);
	map(11, 1, RW);
	// and to both sides at once, although one has been touched.
	map(21, 1, RW);
	touch(21, 1);
	map(23, 1, RW);
	map(22, 1, RW);
	return 0;
}
