// expect: mremap prev pgoff x7
//
// One call site, many misses: they must be counted and not only be seen.
#include "scenario.h"

int main(void)
{
	open_area();
	for (long i = 0; i < 7; i++) {
		long page = 10 * i;

		map(page, 3, RW);
		touch(page, 3);
		unmap(page + 1, 1);
		move(page + 2, page + 1, 1);
	}
	return 0;
}
