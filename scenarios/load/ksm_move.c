// Moves a part of a VMA, of which KSM has a page: in the rest ("rest"), in the part that is moved ("part"), or nowhere
// ("none"). Exits with 3 where KSM does not run.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static int is_mapped_once(char *page)
{
	uint64_t entry = 0;
	int file = open("/proc/self/pagemap", O_RDONLY);

	if (pread(file, &entry, 8, (uintptr_t)page / PAGE * 8) != 8)
		_exit(4);
	close(file);
	return entry >> 56 & 1;
}

int main(int argc, char **argv)
{
	int access = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	const char *where = argc > 1 ? argv[1] : "none";
	char *area = mmap(0, 64 * PAGE, PROT_NONE, flags, -1, 0);
	char *source = area + 32 * PAGE, *target = area + 16 * PAGE, *same = source;
	int tries;

	if (area == MAP_FAILED || mprotect(target, 2 * PAGE, access) ||
	    mprotect(source, 4 * PAGE, access) || madvise(target, 2 * PAGE, MADV_MERGEABLE) ||
	    madvise(source, 4 * PAGE, MADV_MERGEABLE))
		return 5;
	for (int i = 0; i < 2; i++)
		target[i * PAGE] = 1 + i;
	for (int i = 0; i < 4; i++)
		source[i * PAGE] = 11 + i;
	if (strcmp(where, "none")) {
		same += strcmp(where, "rest") ? 0 : 2 * PAGE;
		memset(same, 'k', 2 * PAGE);
		for (tries = 0; is_mapped_once(same) || is_mapped_once(same + PAGE); tries++) {
			if (tries == 600)
				return 3;
			usleep(50000);
		}
	}
	if (mremap(source, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 2 * PAGE) ==
	    MAP_FAILED)
		return 6;
	return 0;
}
