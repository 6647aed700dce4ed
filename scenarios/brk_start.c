// area: brk
// merged: brk 1
// nothing missed
//
// Without address randomization the heap begins where bss ends, which differs in nothing. Since 6.1 brk
// does not look below mm->start_brk, so its first mapping joins nothing and misses nothing; before,
// it joins bss.
#include "scenario.h"

#include <sys/personality.h>

static char bss[10 * PAGE];

int main(int argc, char **argv)
{
	int now = personality(0xffffffff);

	CHECK(now);
	if (!(now & ADDR_NO_RANDOMIZE) && argc) {
		CHECK(personality(now | ADDR_NO_RANDOMIZE));
		CHECK(execv(argv[0], argv));  // by its own name, which the report is to have
	}
	CHECK(sbrk(PAGE));
	CHECK(sbrk(PAGE));
	return bss[0];
}
