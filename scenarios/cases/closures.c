// filled: file_offset+prot
// by: mmap closure caller
// do: map-twice-whole
// changed
//
// Each closure has a page of one memfd, mapped to be written and once more to be run. Changed: both are mapped as
// a whole.
#include "case.h"

static int fd;
static size_t used;
static char *whole[2];

STEP char *closure(int changed, size_t most)
{
	char *w, *x;
	if (changed && !whole[0]) {
		whole[0] = mmap(0, most * PAGE, RW, MAP_SHARED, fd, 0);
		whole[1] = mmap(0, most * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	}
	if (changed) {
		w = whole[0] + used;
		x = whole[1] + used;
	} else {
		w = mmap(0, PAGE, RW, MAP_SHARED, fd, (off_t)used);
		x = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, (off_t)used);
	}
	must(w != MAP_FAILED && x != MAP_FAILED, "mmap");
	used += PAGE;
	*w = (char)0xc3;
	return x;
}

STEP void caller(int changed, size_t most)
{
	closure(changed, most);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	fd = memfd_create("closures", 0);
	must(ftruncate(fd, 300 * PAGE) == 0, "ftruncate");
	for (int i = 0; i < 300; i++)
		caller(argc > 1, 300);
	return 0;
}
