// A perf map that is large, and has no line; or several processes' that are one file: perfmap line|many
#include "hostile.h"
#include <sys/wait.h>

static void write_map(const char *path, int lines)
{
	int fd = create(path);
	char *block = malloc(1 << 20);

	for (int i = 0; i < 1 << 20; i++)
		block[i] = lines ? "1 1 a\n1 1 b\n1 1 cc\n10000 8 d\n "[i % 30] : 'x';
	for (int i = 0; i < 64; i++)
		if (write(fd, block, 1 << 20) < 0)
			err(1, "%s", path);
	close(fd);
}

static void misses(void)
{
	char *code = mmap(NULL, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 100; i++) {
		miss_at((uintptr_t)code + (uintptr_t)i * 64);
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	int many = argc > 1 && !strcmp(argv[1], "many");
	char path[64], first[64];

	snprintf(first, sizeof(first), "/tmp/perf-%d.map", getpid());
	unlink(first);
	write_map(first, many);
	for (int i = 0; many && i < 5; i++) {
		pid_t child = fork();

		if (child)
			continue;
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
		unlink(path);
		// A copy each: two names of one file are not believed.
		write_map(path, 1);
		misses();
		unlink(path);
		_exit(0);
	}
	misses();
	while (wait(NULL) > 0)
		;
	unlink(first);
	return 0;
}
