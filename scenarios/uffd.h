#ifndef UFFD_H
#define UFFD_H

#include "scenario.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

// A new userfaultfd that is told of the first touch of these pages.
static inline void watch(long page, long pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)at(page), pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, 0);

	CHECK(fd);
	CHECK(ioctl(fd, UFFDIO_API, &api));
	CHECK(ioctl(fd, UFFDIO_REGISTER, &range));
}

#endif
