// A load for allocators: threads that allocate, touch, grow and free blocks of a page to some MiB, and
// hold a changing few hundred of them. What it does to VMAs is the allocator's doing:
//
//     LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=retain:false ./malloc 4 20000 1
//
// usage: malloc THREADS OPERATIONS SEED
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 400, LARGEST = 4 << 20 };

static long operations;
static uint64_t seed;

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

// Many small ones and few large ones.
static size_t some_size(uint64_t *state)
{
	size_t size = 4096u << next(state) % 11;

	return size > LARGEST ? LARGEST : size - next(state) % 2048;
}

static void touch(char *block, size_t size)
{
	for (size_t at = 0; at < size; at += 4096)
		block[at] = 1;
}

static void *work(void *number)
{
	char *blocks[BLOCKS] = { 0 };
	uint64_t state = seed + (uintptr_t)number;

	for (long i = 0; i < operations; i++) {
		char **block = &blocks[next(&state) % BLOCKS];
		size_t size = some_size(&state);

		if (*block && next(&state) % 4) {
			free(*block);
			*block = NULL;
			continue;
		}
		*block = realloc(*block, size);
		if (!*block) {
			perror("realloc");
			exit(1);
		}
		touch(*block, size);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long threads = argc == 4 ? atol(argv[1]) : 0;
	pthread_t all[64];

	if (threads < 1 || threads > 64) {
		fputs("usage: malloc THREADS OPERATIONS SEED\n", stderr);
		return 64;
	}
	operations = atol(argv[2]);
	seed = strtoull(argv[3], NULL, 10);
	for (uintptr_t i = 0; i < (uintptr_t)threads; i++)
		if (pthread_create(&all[i], NULL, work, (void *)i))
			return 1;
	for (long i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	return 0;
}
