// expect: mprotect next close x1
//
// The merge would remove the VMA that changes, and its driver has to be told of that.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 2);
	protect(2, 1, R);
	protect(1, 1, R);
	return 0;
}
