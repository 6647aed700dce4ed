// A file system of our own with one file, whose server answers what a table says.
#ifndef HOSTILE_FUSE_H
#define HOSTILE_FUSE_H

#include "hostile.h"
#include <errno.h>
#include <linux/fuse.h>
#include <sys/mount.h>

// The file that every name in the folder stands for.
static struct fuse_attr fuse_file = { .ino = 2, .mode = S_IFREG | 0755, .nlink = 1 };
// What it holds, wherever it is read.
static char fuse_page[4096];
// For how many seconds the kernel does not ask again.
static uint64_t fuse_valid;
// Nothing is answered any more.
static volatile int fuse_hangs;
static int fuse_device;

static const struct fuse_attr fuse_folder = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 };
static struct fuse_init_out fuse_init = {
	.major = 7, .minor = 31, .max_write = 4096, .max_readahead = 4096
};
static struct fuse_entry_out fuse_entry;
static struct fuse_attr_out fuse_attributes;
static struct fuse_open_out fuse_opened = { .fh = 1 };

// The answers, by the kind of request: what is not in the table is not known here (ENOSYS). A write is never answered.
static const struct fuse_answer {
	enum { FUSE_UNKNOWN, FUSE_SAYS, FUSE_SILENT } how;
	const void *bytes;
	size_t size;
} fuse_answers[] = {
	[FUSE_INIT] = { FUSE_SAYS, &fuse_init, sizeof(fuse_init) },
	[FUSE_LOOKUP] = { FUSE_SAYS, &fuse_entry, sizeof(fuse_entry) },
	[FUSE_GETATTR] = { FUSE_SAYS, &fuse_attributes, sizeof(fuse_attributes) },
	[FUSE_OPEN] = { FUSE_SAYS, &fuse_opened, sizeof(fuse_opened) },
	[FUSE_OPENDIR] = { FUSE_SAYS, &fuse_opened, sizeof(fuse_opened) },
	[FUSE_READ] = { FUSE_SAYS, fuse_page, sizeof(fuse_page) },
	[FUSE_RELEASE] = { FUSE_SAYS, NULL, 0 },
	[FUSE_FLUSH] = { FUSE_SAYS, NULL, 0 },
	[FUSE_WRITE] = { FUSE_SILENT, NULL, 0 },
	[FUSE_FORGET] = { FUSE_SILENT, NULL, 0 },
	[FUSE_BATCH_FORGET] = { FUSE_SILENT, NULL, 0 },
	[FUSE_INTERRUPT] = { FUSE_SILENT, NULL, 0 },
};

static inline void fuse_answer(const struct fuse_in_header *in)
{
	const size_t count = sizeof(fuse_answers) / sizeof(*fuse_answers);
	struct fuse_answer answer =
		in->opcode < count ? fuse_answers[in->opcode] : (struct fuse_answer){ 0 };
	struct fuse_out_header head = { (uint32_t)(sizeof(head) + answer.size),
					answer.how == FUSE_UNKNOWN ? -ENOSYS : 0, in->unique };
	char buffer[8192];

	if (answer.how == FUSE_SILENT)
		return;
	fuse_attributes.attr = in->nodeid == 1 ? fuse_folder : fuse_file;
	memcpy(buffer, &head, sizeof(head));
	if (answer.size > 0)
		memcpy(buffer + sizeof(head), answer.bytes, answer.size);
	if (write(fuse_device, buffer, head.len) < 0 && !fuse_hangs)
		warn("answering");
}

// To the end of the file system. For pthread_create, too.
static inline void *fuse_serve(void *unused)
{
	static char request[1 << 18];

	(void)unused;
	fuse_entry = (struct fuse_entry_out){
		.nodeid = 2, .attr = fuse_file, .attr_valid = fuse_valid, .entry_valid = fuse_valid
	};
	fuse_attributes.attr_valid = fuse_valid;
	while (read(fuse_device, request, sizeof(request)) > 0)
		if (!fuse_hangs)
			fuse_answer((const void *)request);
	return NULL;
}

static inline void fuse_mount(const char *folder)
{
	char options[128];

	fuse_device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fuse_device);
	if (fuse_device < 0 || mount("hostile", folder, "fuse", MS_NOSUID | MS_NODEV, options))
		err(77, "mounting at %s", folder);
}

#endif
