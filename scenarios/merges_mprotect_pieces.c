// merged: mprotect 2
// nothing missed
//
// One call over three VMAs, all of which change. While one is done the next is still as it
// was, but it is about to change and look back: nothing is missed.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	protect(2, 1, R);
	protect(1, 3, RX);
	return 0;
}
