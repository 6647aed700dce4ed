// What Swift does not see of the C library.
#ifndef TESTS_H
#define TESTS_H

#include <sys/types.h>

// Starts words[0], found in PATH, in a process group of its own, with no descriptor but these three (-1: /dev/null)
// and no signal blocked or ignored. `directory` may be NULL. Returns 0, or the error's number.
int tests_spawn(pid_t *pid, char *const words[], char *const environment[], const char *directory,
		const int streams[3]);

// Starts a process that waits for a signal and has this id, or any id for 0. Returns the id, or -errno.
pid_t tests_fork_as(pid_t id);

// Sends one byte with so many copies of a descriptor (at most 8). Returns 0, or -errno.
int tests_send_files(int socket, int fd, int count);

#endif
