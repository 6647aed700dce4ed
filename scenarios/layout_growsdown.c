// nothing missed
//
// A stack grows by being touched below, which no syscall's arguments tell of.
#include "scenario.h"

int main(void)
{
	int zero;

	open_area();
	map_with(8, 2, RW, ANON | MAP_GROWSDOWN);
	// The kernel touches it first, within a syscall, and then we do.
	CHECK(zero = open("/dev/zero", O_RDONLY));
	CHECK(read(zero, at(7), 1));
	touch(6, 1);
	return 0;
}
