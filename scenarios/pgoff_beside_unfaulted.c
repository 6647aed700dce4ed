// expect[anon_vma:fork-child]: mremap prev pgoff x1
// expect[anon_vma:neighbour]: mremap prev pgoff+anon_vma x1
//
// Touched memory moved beside memory that nobody has touched. Where the neighbour's
// anon_vma_chain has to be singular, its empty chain is a second reason to refuse.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map(11, 1, RW);
	touch(11, 1);
	move(11, 2, 1);
	return 0;
}
