// expect[close:removed]: shmat prev file x1
// expect[close:next]: shmat prev file x1
// expect[close:any]: shmat prev file+close x1
//
// A shared memory segment is a file of its own, so two of them are never one mapping.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 1);
	attach(2, 1);
	return 0;
}
