// expect: mprotect next close x1
//
// The VMA that changes would be removed by the merge, and its driver wants to know of that.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 2);
	protect(2, 1, R);
	protect(1, 1, R);
	return 0;
}
