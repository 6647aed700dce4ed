// expect[account:kept]: mprotect prev flags (VM_ACCOUNT) x1
// expect: mmap prev prot (r--p beside rw-p) x1
//
// As flags_account_kept, but nothing was touched. Newer kernels stop accounting for such
// memory when it becomes read-only, and merge.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, R);
	map(2, 1, RW);
	protect(2, 1, R);
	return 0;
}
