// expect: mmap prev prot (rw-p beside r--p) x1
// expect: mmap next prot (r--p beside rw-p) x1
//
// One attempt, two misses.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map(3, 1, RW);
	map(2, 1, R);
	return 0;
}
