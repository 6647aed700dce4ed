// expect[anon_vma:neighbour]: madvise prev anon_vma x1
//
// The one that changes has been touched, its neighbour has not. The rule that looks at fork
// children lets it join; the rule that wants the neighbour's anon_vma_chain singular does not.
#include "scenario.h"

int main(void)
{
	open_area();
	map(1, 2, RW);
	advise(2, 1, MADV_DONTDUMP);
	touch(2, 1);
	advise(2, 1, MADV_DODUMP);
	return 0;
}
