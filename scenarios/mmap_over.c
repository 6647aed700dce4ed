// nothing missed
//
// As mremap_over: the rests of what a new mapping replaces are no neighbours to be missed.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	map(2, 1, R);
	return 0;
}
