// filled: pgoff
// by: mremap grow append
// do: move-before-touch
// changed
//
// Regions grow by moving what was touched to the front of a new, larger range, whose rest has other page offsets.
// Changed: their final size is allocated at once.
#include "case.h"

enum { STEPS = 20 };

STEP char *grow(char *old, size_t had)
{
	char *new = map(had + 4, RW, MEMORY);
	if (had)
		must(mremap(old, had * PAGE, had * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, new) !=
			     MAP_FAILED,
		     "mremap");
	memset(new + had *PAGE, 1, 4 * PAGE);
	return new;
}

STEP void append(char **region, size_t had)
{
	*region = grow(*region, had);
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *regions[20] = { 0 };
	for (int i = 0; i < 20; i++)
		if (argc > 1)
			memset(map(4 * STEPS, RW, MEMORY), 1, 4 * STEPS * PAGE);
		else
			for (int k = 0; k < STEPS; k++) {
				append(regions + i, 4 * k);
				// Keeps two regions from lying side by side.
				map(1, PROT_READ, MEMORY);
			}
	return 0;
}
