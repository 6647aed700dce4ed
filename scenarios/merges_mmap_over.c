// merged: mmap 1
// nothing missed
//
// A new mapping replaces the middle of an equal one, and joins what is left of it.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	map(2, 1, RW);
	return 0;
}
