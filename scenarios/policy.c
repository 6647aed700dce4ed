// expect: mmap prev policy x1
//
// A policy belongs to the VMA it was set for; a new mapping beside it starts with none.
#include "scenario.h"

#include <linux/mempolicy.h>

int main(void)
{
	unsigned long nodes = 1;

	open_area();
	map(1, 1, RW);
	CHECK(syscall(SYS_mbind, at(1), PAGE, MPOL_PREFERRED, &nodes, 64UL, 0));
	map(2, 1, RW);
	return 0;
}
