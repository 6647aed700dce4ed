// A process of many VMAs forks, twice: `forked N` makes about N of them, and each child changes some before it waits
// for the time of a few comparisons.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], 0, 10) / 2 : 5000;
	char *p = mmap(0, 2 * count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		return perror("mmap"), 2;
	for (unsigned long i = 0; i < count; i++)
		if (mprotect(p + 2 * i * PAGE, PAGE, PROT_READ))
			return perror("mprotect"), 2;
	for (int child = 0; child < 2; child++) {
		if (fork())
			continue;
		for (unsigned long i = 0; i < count; i += 20)
			if (mprotect(p + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE))
				_exit(2);
		usleep(300000);
		_exit(0);
	}
	while (wait(0) > 0)
		;
	return 0;
}
