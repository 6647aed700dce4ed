// expect: mmap prev prot (rw-p beside r--p) x1
// merged: mprotect 1
//
// Memory that was mapped read-only is accounted for from when it becomes writable, so it
// then has all the flags of its neighbour that was writable from the start.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map(2, 1, R);
	protect(2, 1, RW);
	return 0;
}
