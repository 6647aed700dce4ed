// expect[hole:prev]: mmap next anon_vma x1
// expect[hole:next]: mmap prev anon_vma x1
// merged: mmap 1
//
// Private mappings of a file have an anon_vma, too, once they have been written to.
#include "scenario.h"

int main(void)
{
	int fd;

	open_area();
	fd = new_file(3);
	map_file(1, 1, RW, MAP_PRIVATE, fd, 0);
	touch(1, 1);
	map_file(3, 1, RW, MAP_PRIVATE, fd, 2);
	touch(3, 1);
	map_file(2, 1, RW, MAP_PRIVATE, fd, 1);
	return 0;
}
