// filled: file_offset
// by: mmap mesh main
// do: longer-runs offsets-in-order
// changed
//
// An allocator maps pages of its memfd over others whose objects fit beside theirs: addresses stay in order,
// offsets do not. Changed: it does so for longer runs.
#include "case.h"

enum { PAGES = 1024 };

STEP void mesh(char *heap, int fd, size_t keep, size_t drop, size_t run)
{
	must(mmap(heap + drop * PAGE, run * PAGE, RW, MAP_SHARED | MAP_FIXED, fd,
		  (off_t)(keep * PAGE)) != MAP_FAILED,
	     "mmap");
}

int main(int argc, char **argv)
{
	(void)argv;
	int fd = memfd_create("heap", 0);
	must(ftruncate(fd, PAGES * PAGE) == 0, "ftruncate");
	char *heap = mmap(0, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	must(heap != MAP_FAILED, "mmap");
	size_t run = argc > 1 ? 64 : 1;
	for (size_t i = 0; i + 2 * run < PAGES; i += 4 * run)
		mesh(heap, fd, i, i + 2 * run, run);
	return 0;
}
