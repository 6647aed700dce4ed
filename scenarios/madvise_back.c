// merged: madvise 1
// nothing missed
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	advise(2, 1, MADV_DONTDUMP);
	advise(2, 1, MADV_DODUMP);
	return 0;
}
