// filled: file
// by: mmap object main
// do: fewer-files
// changed
//
// Each object is a file of its own, which stays mapped. Changed: all are in one file, in its order.
#include "case.h"

STEP void object(int folder, int i)
{
	char name[64];
	snprintf(name, sizeof name, "vmascope-case-%d-%d", (int)getpid(), i);
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && ftruncate(fd, PAGE) == 0, "open");
	must(mmap(0, PAGE, RW, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
	close(fd);
	unlinkat(folder, name, 0);
}

int main(int argc, char **argv)
{
	(void)argv;
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY);
	if (argc == 1)
		for (int i = 0; i < 500; i++)
			object(folder, i);
	else {
		int fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
		must(fd >= 0 && ftruncate(fd, 500 * PAGE) == 0, "open");
		must(mmap(0, 500 * PAGE, RW, MAP_SHARED, fd, 0) != MAP_FAILED, "mmap");
	}
	return 0;
}
