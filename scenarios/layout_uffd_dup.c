// merged: userfaultfd 1
//
// A userfaultfd is gone when its descriptor is taken by another, and then its pages are like
// their neighbours again.
#include "scenario.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)at(2), PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd;

	open_area();
	map(1, 3, RW);
	CHECK(fd = syscall(SYS_userfaultfd, 0));
	CHECK(ioctl(fd, UFFDIO_API, &api));
	CHECK(ioctl(fd, UFFDIO_REGISTER, &range));
	CHECK(dup2(2, fd));
	return 0;
}
