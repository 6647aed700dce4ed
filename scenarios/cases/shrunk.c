// filled: gaps
// by: mremap trim read_block main
// do: gaps-shrink
// changed
//
// Each block is read into more memory than it needs, and the rest is given back by mremap: the blocks lie apart.
// Changed: each is mapped in its size, and they merge.
#include "case.h"

STEP void trim(char *p, size_t from, size_t to)
{
	must(mremap(p, from * PAGE, to * PAGE, 0) == p, "mremap");
	RETURNS;
}

STEP void read_block(size_t pages)
{
	char *p = map(pages, RW, MEMORY);
	memset(p, 1, 4 * PAGE);
	if (pages > 4)
		trim(p, pages, 4);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 500; i++)
		read_block(argc > 1 ? 4 : 16);
	return 0;
}
