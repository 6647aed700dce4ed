// Holds its mmap_lock for writing for as long as it likes, by a file system of its own that does not answer, after calls
// that were refused, so that an observer wants to know what it maps: locked FOLDER [SECONDS]. Root.
#include "fuse.h"
#include <sys/prctl.h>
#include <sys/wait.h>

// More than there is memory for.
__attribute__((noinline)) static void be_refused(void)
{
	for (int i = 0; i < 4; i++)
		if (mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0) != MAP_FAILED)
			errx(1, "not refused");
}

// Being unmapped, a file's pages are written back first, with the lock held.
static void lock(const char *path)
{
	int fd = open(path, O_RDWR);
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || at == MAP_FAILED)
		err(1, "%s", path);
	at[0] = at[4096] = 1;
	be_refused();
	for (int i = 1; i < 9; i++)
		miss_at((uintptr_t)be_refused + (uintptr_t)i);
	be_refused();
	mmap(at, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/mnt";
	char path[512];
	pid_t server, victim;

	fuse_file.mode = S_IFREG | 0777;
	fuse_file.size = 8192;
	fuse_valid = 1000;
	fuse_mount(folder);
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fuse_serve(NULL);
		_exit(0);
	}
	close(fuse_device);
	snprintf(path, sizeof(path), "%s/data", folder);
	victim = fork();
	if (!victim) {
		prctl(PR_SET_NAME, "locked-victim");
		lock(path);
	}
	printf("%d\n", victim);
	fflush(stdout);
	sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 8);
	umount2(folder, MNT_DETACH);
	kill(server, SIGKILL);  // the file system ends with it
	kill(victim, SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}
