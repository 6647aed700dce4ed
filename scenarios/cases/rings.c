// filled: special
// by: mmap map_ring main
// do: device-buffers
// changed
//
// Each buffer of a device (here: a ring of io_uring) is mapped by itself, and none is ever unmapped. Changed: there
// are fewer.
#include "case.h"

#include <linux/io_uring.h>

STEP void map_ring(void)
{
	struct io_uring_params p = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	must(fd >= 0, "io_uring_setup");
	must(mmap(0, PAGE, RW, MAP_SHARED, fd, IORING_OFF_SQ_RING) != MAP_FAILED, "mmap");
	must(mmap(0, PAGE, RW, MAP_SHARED, fd, IORING_OFF_SQES) != MAP_FAILED, "mmap");
	close(fd);
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < (argc > 1 ? 5 : 150); i++)
		map_ring();
	return 0;
}
