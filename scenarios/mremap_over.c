// nothing missed
//
// Moved over the middle of another mapping, which it tears apart: the rests on both sides
// are the operation's own doing, and staying apart from them is no missed merge.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	touch(1, 3);
	map(11, 1, RW);
	touch(11, 1);
	move(11, 2, 1);
	return 0;
}
