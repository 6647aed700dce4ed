// expect: madvise next flags (VM_DONTCOPY VM_DONTDUMP) x1
//
// Different advice for each half. Every bit that differs is named, whichever side has it.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	advise(2, 1, MADV_DONTDUMP);
	advise(1, 1, MADV_DONTFORK);
	return 0;
}
