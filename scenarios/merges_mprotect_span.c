// merged: mprotect 2
// nothing missed
//
// One call over three VMAs, of which the one in the middle is as wanted already: the first
// joins it to the right, the last to the left.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	protect(2, 1, R);
	protect(1, 3, R);
	return 0;
}
