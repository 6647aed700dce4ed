// A perf map that is large, and has no line; or several processes' that are one file: perfmap line|many
// Prints how many megabytes the observer and its processes have read by then.
#include "hostile.h"
#include <dirent.h>
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

	for (int i = 0; i < 1000; i++) {
		miss_at((uintptr_t)code + (uintptr_t)i * 64);
		if (i % 10 == 0)
			usleep(10000);
	}
}

// What the process `pid` has read, if it is the observer or a child of it; else 0.
static unsigned long long read_by(const char *pid, pid_t observer)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = 0;
	if (file)
		fclose(file);
	if (atoi(pid) == getpid() || (atoi(pid) != observer && parent != observer))
		return 0;
	snprintf(path, sizeof(path), "/proc/%.20s/io", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "rchar: %llu", &bytes) == 1)
			break;
	if (file)
		fclose(file);
	return bytes;
}

static void print_read(void)
{
	DIR *folder = opendir("/proc");
	unsigned long long bytes = 0;
	struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		if (*entry->d_name >= '1' && *entry->d_name <= '9')
			bytes += read_by(entry->d_name, getppid());
	closedir(folder);
	printf("%llu\n", bytes >> 20);
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
		sleep(2);
		unlink(path);
		_exit(0);
	}
	misses();
	while (wait(NULL) > 0)
		;
	sleep(2);  // the observer asks for names meanwhile
	print_read();
	unlink(first);
	return 0;
}
