// expect: mmap prev flags (VM_LOCKED) x1
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	CHECK(mlock(at(1), PAGE));
	map(2, 1, RW);
	return 0;
}
