/* Vectors that grow by half, as the C library moves large ones: mremap. vectors STEPS [fork] */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VECTORS = 200 };

int main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 2000;
	unsigned long state = 1, size[VECTORS] = { 0 };
	char *vectors[VECTORS] = { 0 };
	pid_t child = 0;

	for (long i = 0; i < steps; i++) {
		if (argc > 2 && i == steps / 2 && (child = fork()) == 0)
			for (;;)
				pause();
		state = state * 6364136223846793005UL + 1442695040888963407UL;
		unsigned slot = (state >> 33) % VECTORS;
		unsigned long wanted = size[slot] ? size[slot] + size[slot] / 2 : 160 << 10;

		if (wanted > 1536 << 10) {
			free(vectors[slot]);
			vectors[slot] = 0;
			size[slot] = 0;
			continue;
		}
		vectors[slot] = realloc(vectors[slot], wanted);
		if (!vectors[slot])
			abort();
		memset(vectors[slot] + size[slot], 1, wanted - size[slot]);
		size[slot] = wanted;
	}
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
	}
	return 0;
}
