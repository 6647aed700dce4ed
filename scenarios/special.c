// expect: mprotect next special (VM_DONTEXPAND) x1
//
// The ring of an aio context is VM_SPECIAL and nothing else: it has no close hook, and both
// halves of it are one file with offsets that continue.
#include "scenario.h"

#include <linux/aio_abi.h>

int main(void)
{
	aio_context_t context = 0;
	unsigned *ring;
	long pages;

	open_area();
	CHECK(syscall(SYS_io_setup, 1000, &context));
	// The kernel gives its address as its name. It is as large as the number of events that
	// its second word tells, with a header of the size of one.
	ring = (unsigned *)context;
	pages = (ring[1] + 1) * sizeof(struct io_event) / PAGE;
	CHECK(mremap(ring, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(1)));
	protect(2, pages - 1, R);
	protect(1, 1, R);
	return 0;
}
