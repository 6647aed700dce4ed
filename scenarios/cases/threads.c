// filled: prot
// by: mprotect pthread_create ?
// do: thread-stacks stacks
// changed
//
// A thread is started for each job, and none ends: a stack and a guard page each. Changed: there is no guard.
#include "case.h"

static void *job(void *unused)
{
	for (;;)
		pause();
	return unused;
}

STEP void start(const pthread_attr_t *attributes)
{
	pthread_t thread;
	must(pthread_create(&thread, attributes, job, 0) == 0, "pthread_create");
}

int main(int argc, char **argv)
{
	(void)argv;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	if (argc > 1)
		pthread_attr_setguardsize(&attributes, 0);
	for (int i = 0; i < 200; i++)
		start(&attributes);
	_exit(0);
}
