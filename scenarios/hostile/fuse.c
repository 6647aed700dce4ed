// A file of a file system that answers no read and no second opening, mapped as code: fuse FOLDER [SECONDS [refused]]. Root.
// With `refused` it is an ordinary user whose calls are refused.
#include "hostile.h"
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mount.h>

static int device;
static volatile int hangs;

static void answer(uint64_t unique, int error, const void *bytes, size_t size)
{
	char buffer[8192];
	struct fuse_out_header head = { (uint32_t)(sizeof(head) + size), error, unique };

	memcpy(buffer, &head, sizeof(head));
	memcpy(buffer + sizeof(head), bytes, size);
	if (write(device, buffer, sizeof(head) + size) < 0 && !hangs)
		warn("answering");
}

static void *serve(void *unused)
{
	static char request[1 << 18];
	const struct fuse_attr folder = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 };
	const struct fuse_attr file = {
		.ino = 2, .mode = S_IFREG | 0755, .nlink = 1, .size = 4096
	};

	(void)unused;
	while (read(device, request, sizeof(request)) > 0) {
		struct fuse_in_header *in = (void *)request;

		if (hangs)
			continue;
		switch (in->opcode) {
		case FUSE_INIT: {
			struct fuse_init_out out = {
				.major = 7, .minor = 31, .max_write = 4096, .max_readahead = 4096
			};

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = { .nodeid = 2, .attr = file };

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr = in->nodeid == 1 ? folder : file };

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_OPEN:
		case FUSE_OPENDIR: {
			struct fuse_open_out out = { .fh = 1 };

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_READ: {
			static const char code[4096] = { 0x7f, 'E', 'L', 'F' };

			answer(in->unique, 0, code, sizeof(code));
			break;
		}
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		case FUSE_RELEASE:
		case FUSE_FLUSH:
			answer(in->unique, 0, NULL, 0);
			break;
		default:
			answer(in->unique, -ENOSYS, NULL, 0);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/mnt";
	char options[128], path[512], *code;
	pthread_t thread;

	device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 device);
	if (device < 0 || mount("hostile", folder, "fuse", MS_NOSUID | MS_NODEV, options))
		err(77, "mounting at %s", folder);
	pthread_create(&thread, NULL, serve, NULL);
	snprintf(path, sizeof(path), "%s/code", folder);
	code = map_code(path, 4096);
	if (!code[0])
		return 1;
	hangs = 1;
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
