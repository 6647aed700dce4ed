// merged: mmap 1
// nothing missed
//
// Without an anon_vma anywhere there is nothing to disagree on.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 1, RW);
	map(3, 1, RW);
	map(2, 1, RW);
	return 0;
}
