// expect: mmap prev flags (VM_DONTDUMP) x1
//
// Advice belongs to the VMA it was given to; a new mapping beside it starts without.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	advise(1, 1, MADV_DONTDUMP);
	map(2, 1, RW);
	return 0;
}
