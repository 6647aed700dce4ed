// expect[close:any]: mprotect next close x1
// expect[close:next]: mprotect next close x1
//
// Only a part of a VMA changes sides, and none would be removed; newer kernels allow that.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 3);
	protect(3, 1, R);
	protect(2, 1, R);
	return 0;
}
