// expect[hole:prev]: mmap next anon_vma x1
// expect[hole:next]: mmap prev anon_vma x1
// merged: mmap 1
//
// A new mapping fills the hole between two that were touched on their own. It can join
// either, but one VMA has one anon_vma, so it can't join both.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	touch(1, 1);
	map(3, 1, RW);
	touch(3, 1);
	map(2, 1, RW);
	return 0;
}
