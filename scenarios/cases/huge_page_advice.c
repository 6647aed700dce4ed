// filled: flags
// by: madvise scavenge reuse cycle
// do: one-huge-page-advice
// detail: HUGEPAGE
// changed
//
// Spans that are free are advised against huge pages, and those used again for them: nothing takes either mark
// away. Changed: the memory is given back without a mark.
#include "case.h"

enum { SPANS = 400, SPAN = 64 };

STEP void scavenge(char *p, int changed)
{
	madvise(p, SPAN * PAGE, MADV_DONTNEED);
	if (!changed)
		must(madvise(p, SPAN * PAGE, MADV_NOHUGEPAGE) == 0, "madvise");
}

STEP void reuse(char *p, int changed)
{
	if (!changed)
		must(madvise(p, SPAN * PAGE, MADV_HUGEPAGE) == 0, "madvise");
}

STEP void cycle(char *heap, int changed)
{
	for (unsigned i = 0; i < SPANS; i++) {
		char *span = heap + (size_t)i * SPAN * PAGE;
		if (i % 3 == 0)
			scavenge(span, changed);
		else if (i % 3 == 1)
			reuse(span, changed);
	}
	RETURNS;
}

int main(int argc, char **argv)
{
	(void)argv;
	char *heap = map(SPANS * SPAN, RW, MEMORY | MAP_NORESERVE);
	cycle(heap, argc > 1);
	return 0;
}
