// area: brk
// expect: brk prev anon_vma x1
//
// A child's heap is inherited, so what it adds is a second VMA; from there on that one grows.
#include "fork.h"

static void child(void)
{
	CHECK(sbrk(PAGE));
	CHECK(sbrk(PAGE));
}

int main(void)
{
	char *heap = sbrk(PAGE);

	CHECK(heap);
	*(volatile char *)heap = 1;
	in_child(child);
	return 0;
}
