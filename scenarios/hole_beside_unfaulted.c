// expect[hole:next]: mmap prev anon_vma x1
// merged: mmap 1
//
// Only the right one has been touched. A kernel that joins the new mapping to the right first then compares the left
// one with an anon_vma, which refuses; the others join all three.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map(3, 1, RW);
	touch(3, 1);
	map(2, 1, RW);
	return 0;
}
