// expect: mmap prev anon_vma x1
//
// Writing gives the child pages of its own, but does not take its VMA off the parent's
// anon_vma: the fork rule holds for good.
#include "fork.h"

static void child(void)
{
	touch(1, 1);
	map(2, 1, RW);
}

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	in_child(child);
	return 0;
}
