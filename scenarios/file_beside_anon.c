// expect: mmap prev file x1
#include "scenario.h"

int main(void)
{
	open_area();
	map_file(1, 1, RW, MAP_PRIVATE, new_file(1), 0);
	map(2, 1, RW);
	return 0;
}
