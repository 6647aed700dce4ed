// nothing missed
//
// MREMAP_DONTUNMAP takes the lock from what it leaves behind: up to 7.1 from the source's whole VMA,
// later only from what was copied, which is split off before. So the copy has the rest of that VMA
// beside it, and joins it.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 9, RW);
	CHECK(mlock2(at(1), 9 * PAGE, MLOCK_ONFAULT));
	move_with(2, 5, 1, MREMAP_DONTUNMAP);
	return 0;
}
