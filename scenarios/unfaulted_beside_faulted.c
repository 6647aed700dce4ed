// merged: mprotect 1
// nothing missed
//
// The one that changes has not been touched, its neighbour has: it takes that anon_vma.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	protect(2, 1, PROT_NONE);
	touch(1, 1);
	protect(2, 1, RW);
	return 0;
}
