// expect: mbind next policy x1
//
// With one node the two policies mean the same, but the kernel compares them as written.
#include "scenario.h"

#include <linux/mempolicy.h>

int main(void)
{
	unsigned long nodes = 1;

	open_area();
	map(1, 2, RW);
	CHECK(syscall(SYS_mbind, at(2), PAGE, MPOL_BIND, &nodes, 64UL, 0));
	CHECK(syscall(SYS_mbind, at(1), PAGE, MPOL_PREFERRED, &nodes, 64UL, 0));
	return 0;
}
