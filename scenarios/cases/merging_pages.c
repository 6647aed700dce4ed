// do: nothing
//
// The process has asked for all of its memory to be looked at by KSM, and goes on mapping: all merges (since 6.17,
// or where it was asked for earlier).
#include "case.h"

#include <sys/prctl.h>

int main(void)
{
	prctl(67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0);
	for (int i = 0; i < 300; i++)
		map(4, RW, MEMORY)[0] = 1;
	return 0;
}
