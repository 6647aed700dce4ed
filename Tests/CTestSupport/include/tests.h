// What Swift does not see of the C library.
#ifndef TESTS_H
#define TESTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Starts words[0], found in PATH, in a process group of its own, with no descriptor but these three (-1: /dev/null)
// and no signal blocked or ignored. `directory` may be NULL. Returns 0, or the error's number.
int tests_spawn(pid_t *pid, char *const words[], char *const environment[], const char *directory,
		const int streams[3]);

// Starts a process that waits for a signal and has this id, or any id for 0. Returns the id, or -errno.
pid_t tests_fork_as(pid_t id);

// Sends one byte with so many copies of a descriptor (at most 8). Returns 0, or -errno.
int tests_send_files(int socket, int fd, int count);

// What a confined process can do.
struct tests_confined {
	uint32_t uid;
	uint64_t capabilities;
	int reads;        // 0, or the error of reading the file
	char done[4096];  // what was done that must not be, a call a line
};

// Has a child, which lacks the capabilities `lacking`, confine itself, and try to read the file `path` and all that would change it, make `absent`, or change or
// signal the process `victim`. Returns 0, or -errno.
int tests_confine(int (*confine)(void), uint64_t lacking, const char *path, const char *absent,
		  pid_t victim, struct tests_confined *result);

// Opens a file in a process of this user, and these groups. Returns 0, or the error's number.
int tests_read_as(const char *path, uid_t uid, gid_t gid, const gid_t *groups, size_t count);

// setxattr(2). Returns 0, or -errno.
int tests_set_attribute(const char *path, const char *name, const void *value, size_t size);

// Where a path leads below a directory, by openat2(2). Returns a descriptor, or -errno.
int tests_place_in_root(int root, const char *path, bool links);

// How many columns of a terminal a code point takes (wcwidth(3)); -1 for what is not printed.
int tests_columns(uint32_t value);

#endif
