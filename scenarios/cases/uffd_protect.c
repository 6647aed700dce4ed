// do: nothing
//
// Pages of a region that was registered once are protected by UFFDIO_WRITEPROTECT: that is in the page tables, and
// no VMA is split.
#include "case.h"

#include <linux/userfaultfd.h>

int main(void)
{
	int u = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { UFFD_API, 0, 0 };
	must(u >= 0 && ioctl(u, UFFDIO_API, &api) == 0, "userfaultfd");
	char *p = map(500, RW, MEMORY);
	memset(p, 1, 500 * PAGE);
	struct uffdio_register whole = { { (uintptr_t)p, 500 * PAGE }, UFFDIO_REGISTER_MODE_WP, 0 };
	must(ioctl(u, UFFDIO_REGISTER, &whole) == 0, "register");
	for (size_t i = 0; i < 500; i += 2) {
		struct uffdio_writeprotect page = { { (uintptr_t)p + i * PAGE, PAGE },
						    UFFDIO_WRITEPROTECT_MODE_WP };
		must(ioctl(u, UFFDIO_WRITEPROTECT, &page) == 0, "write-protect");
	}
	return 0;
}
