// expect[ksm:late]: mmap prev flags (VM_MERGEABLE) x1
//
// A process that has asked for KSM on all its memory, where the kernel knows that. Elsewhere these
// two are one.
#include "scenario.h"

#include <sys/prctl.h>

int main(void)
{
	open_area();
	prctl(67, 1, 0, 0, 0);  // PR_SET_MEMORY_MERGE
	map(1, 1, RW);
	map(2, 1, RW);
	return 0;
}
