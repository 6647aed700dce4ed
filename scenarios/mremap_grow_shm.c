// merged[close:removed]: mremap 1
// nothing missed
//
// Growing a mapping that has a close hook. Up to 6.1 the kernel lengthens it without considering a merge, which
// would be refused for the hook.
#include "shm.h"

int main(void)
{
	open_area();
	attach(1, 1);
	grow(1, 1, 2);
	return 0;
}
