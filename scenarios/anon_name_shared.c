// expect[anon_name:shared]: prctl next anon_name x1
// merged[anon_name:shared]: prctl 1
//
// Shared memory may have names, too, since 6.2.
#include "name.h"

int main(void)
{
	open_area();
	map_with(1, 3, RW, MAP_SHARED | MAP_ANONYMOUS);
	if (!name(3, 1, "arena"))
		return 0;
	name(2, 1, "arena");
	name(1, 1, "other");
	return 0;
}
