// nothing missed
//
// The argument of shmdt says where the segment begins, and not how long it is.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 8);
	CHECK(shmdt(at(1)));
	return 0;
}
