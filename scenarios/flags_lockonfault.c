// expect: mlock next flags (VM_LOCKONFAULT) x1
//
// Both halves are locked, but only one of them when it is touched.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	CHECK(mlock(at(2), PAGE));
	CHECK(mlock2(at(1), PAGE, MLOCK_ONFAULT));
	return 0;
}
