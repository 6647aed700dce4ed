// nothing missed
//
// What is moved is watched no more, whatever it has merged with on its way.
#include "uffd.h"

int main(void)
{
	open_area();
	map(1, 8, RW);
	watch(1, 8);
	move(2, 5, 1);
	return 0;
}
