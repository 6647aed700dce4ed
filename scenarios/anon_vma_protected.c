// expect: mprotect prev anon_vma+prot (rw-p beside r--p) x1
// expect: madvise prev anon_vma x1
// expect: mprotect prev anon_vma x1
//
// Protection goes away and comes back over a boundary that only the anon_vmas make. All blockers are reported, not only
// the one that the kernel checks first.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	advise(2, 1, MADV_DONTDUMP);
	touch(1, 2);
	advise(2, 1, MADV_DODUMP);
	protect(2, 1, R);
	protect(2, 1, RW);
	return 0;
}
