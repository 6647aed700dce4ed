// expect: mmap prev file x1
//
// The kernel compares open files, so one file that was opened twice is two.
#include "scenario.h"

#include <fcntl.h>

int main(void)
{
	int again;

	open_area();
	CHECK(dup2(new_file(2), 9));
	again = open("/proc/self/fd/9", O_RDWR);
	CHECK(again);
	map_file(1, 1, RW, MAP_SHARED, 9, 0);
	map_file(2, 1, RW, MAP_SHARED, again, 1);
	return 0;
}
