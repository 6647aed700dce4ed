// merged: mmap 1
// nothing missed
//
// Replaced by an equal one, it joins what is left of the old.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	map(2, 1, RW);
	return 0;
}
