// do: nothing
//
// Each page of a cache is mapped, then advised twice. It differs from its neighbour for a moment, and merges when
// it has both marks: many misses, and no VMA more.
#include "case.h"

int main(void)
{
	for (int i = 0; i < 500; i++) {
		char *p = map(1, RW, MEMORY);
		madvise(p, PAGE, MADV_DONTDUMP);
		madvise(p, PAGE, MADV_MERGEABLE);
		p[0] = 1;
	}
	return 0;
}
