// merged: mprotect 1
// nothing missed
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 3, RW);
	protect(2, 1, R);
	protect(2, 1, RW);
	return 0;
}
