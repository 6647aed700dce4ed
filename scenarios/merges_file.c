// merged: mmap 1
// nothing missed
#include "scenario.h"

int main(void)
{
	int fd;

	open_area();
	fd = new_file(2);
	map_file(1, 1, RW, MAP_SHARED, fd, 0);
	map_file(2, 1, RW, MAP_SHARED, fd, 1);
	return 0;
}
