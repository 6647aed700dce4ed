// expect: userfaultfd prev uffd x1
//
// Each half is watched, but by a userfaultfd of its own.
#include "uffd.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	watch(1, 1);
	watch(2, 1);
	return 0;
}
