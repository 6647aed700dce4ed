// filled: prot
// by: mprotect malloc ?
// do: malloc-arenas
// changed: MALLOC_ARENA_MAX=1
//
// Threads allocate blocks below the threshold of mmap. Each arena of glibc's grows in heaps of 64 MiB, which are
// writable as far as they are used and PROT_NONE beyond: two VMAs each, for good.
#include "case.h"

#include <malloc.h>

STEP void *block(void)
{
	char *p = malloc((1 << 20) - 4096);
	must(p != 0, "malloc");
	p[0] = 1;
	__asm__ volatile("" ::"r"(p) : "memory");
	return p;
}

static void *worker(void *barrier)
{
	for (int i = 0; i < 1000; i++)
		block();
	pthread_barrier_wait(barrier);
	return 0;
}

int main(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, 0, 4);
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(t + i, 0, worker, &barrier);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], 0);
	return 0;
}
