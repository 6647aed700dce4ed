// Holds its mmap_lock for writing for as long as it likes, by a file system of its own that does not answer, after calls
// that were refused, so that an observer wants to know what it maps: locked FOLDER [SECONDS]. Root.
#include "hostile.h"
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int device;

static void answer(uint64_t unique, int error, const void *bytes, size_t size)
{
	char buffer[8192];
	struct fuse_out_header head = { (uint32_t)(sizeof(head) + size), error, unique };

	memcpy(buffer, &head, sizeof(head));
	memcpy(buffer + sizeof(head), bytes, size);
	if (write(device, buffer, sizeof(head) + size) < 0)
		warn("answering");
}

// Answers everything but that something is to be written.
static void serve(void)
{
	static char request[1 << 18];
	const struct fuse_attr folder = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 };
	const struct fuse_attr file = {
		.ino = 2, .mode = S_IFREG | 0777, .nlink = 1, .size = 8192
	};

	while (read(device, request, sizeof(request)) > 0) {
		struct fuse_in_header *in = (void *)request;

		switch (in->opcode) {
		case FUSE_INIT: {
			struct fuse_init_out out = {
				.major = 7, .minor = 31, .max_write = 4096, .max_readahead = 4096
			};

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = {
				.nodeid = 2, .attr = file, .attr_valid = 1000, .entry_valid = 1000
			};

			answer(in->unique, 0, &out, sizeof(out));
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr = in->nodeid == 1 ? folder : file,
						     .attr_valid = 1000 };

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
			static const char bytes[4096];

			answer(in->unique, 0, bytes, sizeof(bytes));
			break;
		}
		case FUSE_WRITE:
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
	_exit(0);
}

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
	char options[128], path[512];
	pid_t server, victim;

	device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 device);
	if (device < 0 || mount("hostile", folder, "fuse", MS_NOSUID | MS_NODEV, options))
		err(77, "mounting at %s", folder);
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve();
	}
	close(device);
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
