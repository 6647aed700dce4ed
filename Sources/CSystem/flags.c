// Makes VMAs with all kinds of flags, from which their names are learned
// (VMAProbe/Kernel/FlagLearning.swift).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system.h"

#define PAGE 4096
// Newer than the C library's headers.
#define MAP_DROPPABLE_ 0x08
#define MADV_GUARD_INSTALL_ 102
#define NR_MSEAL 462
#define USER_MODE_ONLY 1
#define FEATURE_MINOR_SHMEM (1ULL << 10)
#define MODE_MINOR (1ULL << 2)

static void *map(int flags)
{
	// Two pages, so that a change of the first leaves a VMA of its own.
	void *found = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return found == MAP_FAILED ? 0 : found;
}

static void watch(uint64_t features, uint64_t mode, int flags)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register range = { .mode = mode };
	void *memory = map(flags);

	if (fd < 0 || !memory || ioctl(fd, UFFDIO_API, &api))
		return;
	range.range.start = (uintptr_t)memory;
	range.range.len = PAGE;
	ioctl(fd, UFFDIO_REGISTER, &range);  // what can't be had shows nothing
}

static void advise(int advice)
{
	void *memory = map(MAP_PRIVATE);

	if (memory)
		madvise(memory, PAGE, advice);
}

static void fill(void)
{
	static const int advices[] = {
		MADV_SEQUENTIAL, MADV_RANDOM,    MADV_DONTFORK,
		MADV_WIPEONFORK, MADV_DONTDUMP,  MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_GUARD_INSTALL_,
	};
	void *memory;

	for (unsigned i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		advise(advices[i]);
	map(MAP_PRIVATE | MAP_NORESERVE);
	map(MAP_PRIVATE | MAP_GROWSDOWN);
	map(MAP_DROPPABLE_);
	memory = map(MAP_PRIVATE);
	if (memory)
		syscall(NR_MSEAL, memory, PAGE, 0);
	memory = map(MAP_PRIVATE);
	if (memory)
		mlock2(memory, PAGE, MLOCK_ONFAULT);
	watch(0, UFFDIO_REGISTER_MODE_MISSING, MAP_PRIVATE);
	watch(0, UFFDIO_REGISTER_MODE_WP, MAP_PRIVATE);
	watch(FEATURE_MINOR_SHMEM, MODE_MINOR, MAP_SHARED);
}

int vms_flags_child(void)
{
	int ready[2], child;
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill();
		byte = 1;
		if (write(ready[1], &byte, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (child > 0)
		while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
			;
	close(ready[0]);
	return child;
}
