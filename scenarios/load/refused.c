// refused N END: asks N times for more memory than it may have, and then does as END says: `exit` at once, or `stay`.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

__attribute__((noinline)) static int ask_for_too_much(void)
{
	void *p = mmap(0, 4UL << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	__asm__ volatile("" ::: "memory");
	return p == MAP_FAILED;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 1UL << 40, 1UL << 40 };
	int refused = 0;

	if (argc < 3 || setrlimit(RLIMIT_AS, &limit))
		return 2;
	for (int i = atoi(argv[1]); i > 0; i--)
		refused += ask_for_too_much();
	if (!strcmp(argv[2], "exit"))
		_exit(refused != atoi(argv[1]));
	printf("refused %d\n", refused);
	fflush(stdout);
	return sleep(100) != 0;
}
