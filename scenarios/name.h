#ifndef NAME_H
#define NAME_H

#include "scenario.h"

#include <sys/prctl.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

// Names memory, or removes its name for a null pointer. False where this kernel keeps no names of such
// memory (CONFIG_ANON_VMA_NAME; shared memory has them since 6.2).
static inline int name(long page, long pages, const char *text)
{
	int result = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at(page), pages * PAGE, text);

	if (result && errno != EINVAL && errno != EBADF)
		CHECK(result);
	return !result;
}

#endif
