// nothing missed
//
// Untouched memory is copied to the middle of its own VMA, which splits it. The copy joins both sides; on some kernels
// it does not join the side below, from which it was copied, or it joins nothing at all.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 9, RW);
	move_with(2, 5, 1, MREMAP_DONTUNMAP);
	return 0;
}
