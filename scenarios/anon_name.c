// expect[anon_name:]: mmap prev anon_name x1
// expect[anon_name:]: mmap next anon_name x1
// expect[anon_name:]: prctl next anon_name x1
// merged[anon_name:]: prctl 1
//
// Names that differ keep memory apart. Equal ones do not, whatever string each was read from.
#include "name.h"

int main(void)
{
	char first[] = "arena", second[] = "arena";

	open_area();
	map(2, 1, RW);
	if (!name(2, 1, first))
		return 0;
	map(3, 1, RW);
	name(3, 1, second);
	map(1, 1, RW);
	name(1, 1, "other");
	return 0;
}
