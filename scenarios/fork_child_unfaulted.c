// merged: mmap 1
// nothing missed
//
// The fork rule is on the anon_vma; what was inherited without one merges as ever.
#include "fork.h"

static void child(void)
{
	map(2, 1, RW);
}

int main(void)
{
	open_area();
	map(1, 1, RW);
	in_child(child);
	return 0;
}
