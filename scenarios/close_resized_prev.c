// expect[close:any]: mprotect prev close x1
//
// A part of a VMA gets the protection of the one before it, which grows, and none would be removed. Kernels that check
// every neighbour for a close hook refuse that; kernels that check only next allow it.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 3);
	protect(1, 1, R);
	protect(2, 1, R);
	return 0;
}
