// Misses merges with another call stack each time, of frames that never were: stacks SECONDS
#include "hostile.h"
#include <time.h>

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	char *code = map_code("/proc/self/exe", 4096);
	struct frame frames[100];
	unsigned long seed = 1;

	while (time(NULL) < end) {
		for (int i = 0; i < 100; i++) {
			seed = seed * 6364136223846793005UL + 1442695040888963407UL;
			frames[i].caller = i < 99 ? &frames[i + 1] : NULL;
			frames[i].returns_to = (uintptr_t)code + 1 + (seed >> 40) % 4000;
		}
		miss_from(frames);
	}
	return 0;
}
