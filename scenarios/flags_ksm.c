// expect[ksm:late]: mmap prev flags (VM_MERGEABLE) x1
//
// The process asks for KSM on all its memory (PR_SET_MEMORY_MERGE). Where the kernel does not know that request, these
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
