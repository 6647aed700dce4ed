// filled: file
// by: mmap segment main
// do: shared-memory fewer-files
// changed
//
// Each piece of MAP_SHARED | MAP_ANONYMOUS is a file of its own. Changed: one large piece.
#include "case.h"

STEP void segment(size_t pages)
{
	map(pages, RW, MAP_SHARED | MAP_ANONYMOUS)[0] = 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		segment(300);
	else
		for (int i = 0; i < 300; i++)
			segment(1);
	return 0;
}
