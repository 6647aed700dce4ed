// expect: mmap prev flags (VM_ACCOUNT VM_NORESERVE) x1
//
// MAP_NORESERVE is two flags: that it was asked for, and that memory is not accounted for.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map_with(2, 1, RW, ANON | MAP_NORESERVE);
	return 0;
}
