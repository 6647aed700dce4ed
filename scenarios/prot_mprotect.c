// expect: mprotect prev prot (rw-p beside r-xp) x1
//
// The first mprotect splits the mapping: its other half is no neighbour that could be missed.
// For the second it is one.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	protect(2, 1, R);
	protect(2, 1, RX);
	return 0;
}
