// expect: mprotect next anon_vma x1
// merged: mprotect 1
//
// A guard page taken away again. While it was there each side was touched on its own and got
// an anon_vma of its own: a page fault takes over only that of a direct neighbour.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	protect(2, 1, PROT_NONE);
	touch(1, 1);
	touch(3, 1);
	protect(2, 1, RW);
	return 0;
}
