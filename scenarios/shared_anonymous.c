// expect: mmap prev file x1
//
// Shared anonymous memory is a file of its own for each mmap, so it never merges.
#include "scenario.h"

int main(void)
{
	open_area();
	map_with(1, 1, RW, MAP_SHARED | MAP_ANONYMOUS);
	map_with(2, 1, RW, MAP_SHARED | MAP_ANONYMOUS);
	return 0;
}
