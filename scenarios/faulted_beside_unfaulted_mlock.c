// expect[anon_vma:neighbour]: mlock prev anon_vma x1
//
// As faulted_beside_unfaulted, with nobody touching anything: mlock brings the pages in.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	CHECK(mlock(at(2), PAGE));
	CHECK(munlock(at(2), PAGE));
	return 0;
}
