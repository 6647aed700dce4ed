// expect: mmap prev prot (rw-s beside rw-p) x1
//
// The same file and offsets that continue, but one writes to the file and the other to a copy.
#include "scenario.h"

int main(void)
{
	int fd;

	open_area();
	fd = new_file(2);
	map_file(1, 1, RW, MAP_SHARED, fd, 0);
	map_file(2, 1, RW, MAP_PRIVATE, fd, 1);
	return 0;
}
