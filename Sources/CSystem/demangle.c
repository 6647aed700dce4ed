// Demangles names that anybody may have chosen. A few bytes can stand for a text without end, so
// both the text and the time are bounded. libiberty's demangler needs no memory but the stack, so
// it can be left in the middle, which the one of the C++ library can't.
#define _GNU_SOURCE
#include "helper.h"
#include "system.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

// A function of the Swift runtime.
char *swift_demangle(const char *name, size_t length, char *buffer, size_t *size, uint32_t flags);

static _Thread_local struct {
	char *text;
	size_t room, length;
	sigjmp_buf out;
	bool in_swift;
} work;
static bool guarded;

static void take(const char *part, size_t length, void *unused)
{
	(void)unused;
	if (length > work.room - work.length)
		siglongjmp(work.out, 1);
	memcpy(work.text + work.length, part, length);
	work.length += length;
}

static void expire(int signal)
{
	(void)signal;
	// Swift's demangler holds memory, and may be in the middle of allocating more.
	if (work.in_swift)
		_exit(75);
	siglongjmp(work.out, 1);
}

static void run_for(long milliseconds)
{
	const struct itimerval time = { .it_value = { 0, milliseconds * 1000 } };

	if (guarded)
		setitimer(ITIMER_VIRTUAL, &time, NULL);
}

void vms_guard_demangling(void)
{
	struct sigaction action = { .sa_handler = expire };

	sigaction(SIGVTALRM, &action, NULL);
	guarded = true;
}

ssize_t vms_demangle_cxx(const char *name, char *text, size_t room)
{
	volatile bool done = false;

	work.text = text;
	work.room = room;
	work.length = 0;
	work.in_swift = false;
	if (!sigsetjmp(work.out, 1)) {
		run_for(200);
		done = cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI | DMGL_TYPES, take,
						  NULL);
	}
	run_for(0);
	return done ? (ssize_t)work.length : -1;
}

char *vms_demangle_swift(const char *name, size_t length)
{
	char *text;

	work.in_swift = true;
	run_for(200);
	text = swift_demangle(name, length, NULL, NULL, 0);
	run_for(0);
	work.in_swift = false;
	return text;
}
