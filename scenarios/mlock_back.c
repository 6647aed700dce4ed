// merged: mlock 1
// nothing missed
//
// Touched before it is split, so that both halves have one anon_vma.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	touch(1, 2);
	CHECK(mlock(at(2), PAGE));
	CHECK(munlock(at(2), PAGE));
	return 0;
}
