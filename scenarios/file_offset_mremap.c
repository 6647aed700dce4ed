// expect: mremap prev file_offset x1
//
// The offset into a file goes along wherever a mapping of it is moved, touched or not.
#include "scenario.h"

int main(void)
{
	int fd;

	open_area();
	fd = new_file(3);
	map_file(1, 3, RW, MAP_SHARED, fd, 0);
	unmap(2, 1);
	move(3, 2, 1);
	return 0;
}
