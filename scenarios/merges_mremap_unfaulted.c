// merged: mremap 1
// nothing missed
//
// Nothing refers to untouched memory by its page offset, so it gets a new one that fits.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	map(11, 1, RW);
	move(11, 2, 1);
	return 0;
}
