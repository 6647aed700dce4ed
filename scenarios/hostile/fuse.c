// A file of a file system that answers no read and no second opening, mapped as code: fuse FOLDER [SECONDS [refused]]. Root.
// With `refused` it is an ordinary user whose calls are refused.
#include "fuse.h"
#include <pthread.h>

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/mnt";
	static const char magic[] = { 0x7f, 'E', 'L', 'F' };
	char path[512], *code;
	pthread_t thread;

	memcpy(fuse_page, magic, sizeof(magic));
	fuse_file.size = sizeof(fuse_page);
	fuse_mount(folder);
	pthread_create(&thread, NULL, fuse_serve, NULL);
	snprintf(path, sizeof(path), "%s/code", folder);
	code = map_code(path, 4096);
	if (!code[0])
		return 1;
	fuse_hangs = 1;
	if (argc > 3 && (setresgid(12345, 12345, 12345) || setresuid(12345, 12345, 12345)))
		err(1, "becoming an ordinary user");
	for (int i = 0; i < 16; i++)
		if (argc > 3)
			refused_at((uintptr_t)code + 1 + (uintptr_t)i);
		else
			miss_at((uintptr_t)code + 1 + (uintptr_t)i);
	sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 8);
	umount2(folder, MNT_DETACH);
	_exit(0);  // the file system ends with its server
}
