// expect: mmap prev file_offset x1
//
// Two parts of one file side by side, but the second is not the one that comes next.
#include "scenario.h"

int main(void)
{
	int fd;

	open_area();
	fd = new_file(3);
	map_file(1, 1, RW, MAP_SHARED, fd, 0);
	map_file(2, 1, RW, MAP_SHARED, fd, 2);
	return 0;
}
