/* Threads that allocate and free blocks of many sizes, and grow some. arena THREADS STEPS */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 512 };
static long steps;

static unsigned next(unsigned long *state)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return *state >> 33;
}

static void *work(void *seed)
{
	unsigned long state = (unsigned long)seed;
	char *slots[SLOTS] = { 0 };

	for (long i = 0; i < steps; i++) {
		unsigned slot = next(&state) % SLOTS;
		size_t size = (size_t)16 << next(&state) % 16;

		if (next(&state) % 4 == 0) {
			free(slots[slot]);
			slots[slot] = 0;
			continue;
		}
		slots[slot] = realloc(slots[slot], size);
		if (!slots[slot])
			abort();
		memset(slots[slot], (int)i, size);
	}
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	return 0;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 4;
	pthread_t all[64];

	steps = argc > 2 ? atol(argv[2]) : 10000;
	if (threads > 64)
		threads = 64;
	for (long i = 0; i < threads; i++)
		if (pthread_create(&all[i], 0, work, (void *)(i + 1)))
			abort();
	for (int i = 0; i < threads; i++)
		pthread_join(all[i], 0);
	return 0;
}
