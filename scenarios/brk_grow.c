// area: brk
// merged: brk 1
// nothing missed
#include "scenario.h"

int main(void)
{
	CHECK(sbrk(PAGE));
	CHECK(sbrk(PAGE));
	return 0;
}
