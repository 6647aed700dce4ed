// nothing missed
//
// The ring of an aio context is unmapped by no syscall that names its range.
#include "scenario.h"

#include <linux/aio_abi.h>

int main(void)
{
	aio_context_t context = 0;

	open_area();
	CHECK(syscall(SYS_io_setup, 100, &context));
	CHECK(syscall(SYS_io_destroy, context));
	return 0;
}
