// merged: mremap 1
// nothing missed
//
// Back where it was first mapped, the page offset fits again.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	touch(1, 2);
	move(2, 12, 1);
	move(12, 2, 1);
	return 0;
}
