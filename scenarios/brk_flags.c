// area: brk
// expect: brk prev flags (VM_DONTDUMP) x1
//
// The heap is one VMA only as long as nobody gives advice about it.
#include "scenario.h"

int main(void)
{
	char *heap = sbrk(2 * PAGE);

	CHECK(heap);
	// All of it, so that the last page of it is among those advised on.
	heap = (char *)((unsigned long)heap & -PAGE);
	CHECK(madvise(heap, (char *)sbrk(0) - heap, MADV_DONTDUMP));
	CHECK(sbrk(PAGE));
	return 0;
}
