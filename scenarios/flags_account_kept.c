// expect[anon_vma:fork-child]: mprotect prev flags (VM_ACCOUNT) x1
// expect[anon_vma:neighbour]: mprotect prev anon_vma+flags (VM_ACCOUNT) x1
// expect: mmap prev prot (r--p beside rw-p) x1
//
// Read-only memory is accounted for if it was writable when it was touched, and not if it
// has always been read-only. Nothing that a program can see tells the two apart.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, R);
	map(2, 1, RW);
	touch(2, 1);
	protect(2, 1, R);
	return 0;
}
