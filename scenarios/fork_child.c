// expect: mmap prev anon_vma x1
//
// What a child inherits hangs on its parent's anon_vma as well. New memory of the child
// beside it would have to hang there, too, so the kernel keeps it apart.
#include "fork.h"

static void child(void)
{
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
