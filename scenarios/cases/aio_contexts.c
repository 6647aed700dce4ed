// filled: special
// by: aio new_queue main
// do: aio-contexts
// changed
//
// Each queue has a context of its own for asynchronous I/O, and each context a ring that the kernel maps. Changed: all
// queues share one.
#include "case.h"

#include <linux/aio_abi.h>

STEP aio_context_t new_queue(void)
{
	aio_context_t context = 0;
	must(syscall(SYS_io_setup, 8, &context) == 0, "io_setup");
	return context;
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < (argc > 1 ? 1 : 300); i++)
		new_queue();
	return 0;
}
