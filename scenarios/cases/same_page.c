// filled: file_offset
// by: mmap again main
// do: map-once
// changed
// peak: 1000
//
// One page of a file is mapped again and again, and all of it is unmapped before the program ends, as an
// interpreter does: what stands in the end explains nothing.
#include "case.h"

STEP char *again(int fd)
{
	char *p = mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED, "mmap");
	return p;
}

int main(int argc, char **argv)
{
	(void)argv;
	static char *at[1000];
	int fd = memfd_create("segment", 0);
	must(ftruncate(fd, PAGE) == 0, "ftruncate");
	for (int i = 0; i < 1000; i++)
		at[i] = argc > 1 && i > 0 ? at[0] : again(fd);
	for (int i = 0; i < (argc > 1 ? 1 : 1000); i++)
		munmap(at[i], PAGE);
	return 0;
}
