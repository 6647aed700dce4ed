// Processes that have very many mappings of code, of a file with a long path, and are refused calls from ever new call
// stacks: who looks at what they map before each stack comes to nothing else.
//
//   maps FOLDER PROCESSES MAPPINGS SECONDS
#include "hostile.h"

#include <sys/prctl.h>
#include <time.h>

// The frames of a call stack of its own for each depth.
__attribute__((noinline)) static int refused_below(int depth)
{
	volatile char room[64];

	room[0] = (char)depth;
	if (depth > 0)
		return refused_below(depth - 1) + room[0];
	mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return room[0];
}

int main(int argc, char **argv)
{
	int processes = argc > 2 ? atoi(argv[2]) : 2, mappings = argc > 3 ? atoi(argv[3]) : 16000;
	time_t end = time(NULL) + (argc > 4 ? atoi(argv[4]) : 10);
	char name[251];
	int fd;

	memset(name, 'd', 250);
	name[250] = 0;
	if (argc < 2 || chdir(argv[1]))
		errx(1, "usage: maps FOLDER PROCESSES MAPPINGS SECONDS");
	for (int i = 0; i < 15; i++)
		if (mkdir(name, 0755) || chdir(name))
			err(1, "a folder");
	fd = create("code");
	if (ftruncate(fd, 4096))
		err(1, "ftruncate");
	for (int i = 0; i < processes; i++) {
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int j = 0; j < mappings; j++)
			if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
			    MAP_FAILED)
				err(1, "mmap");
		for (int depth = 0; time(NULL) < end; depth = (depth + 1) % 200) {
			refused_below(depth);
			usleep(300000);
		}
		_exit(0);
	}
	while (time(NULL) < end)
		sleep(1);
	return 0;
}
