// expect: mprotect next special+close (VM_DONTEXPAND) x1
//
// Huge pages are never merged again once they are split. Nothing is touched and nothing
// reserved, so the machine needs no huge page for it.
#include "scenario.h"

#define HUGE 512L  // pages

int main(void)
{
	open_area();
	map_with(0, 2 * HUGE, RW, ANON | MAP_HUGETLB | MAP_NORESERVE);
	protect(HUGE, HUGE, R);
	protect(0, HUGE, R);
	return 0;
}
