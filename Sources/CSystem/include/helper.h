// Processes of our own that do for the observer what it must not do itself: open files that an
// observed process has named, and read what is in them.
#ifndef VMASCOPE_HELPER_H
#define VMASCOPE_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Two sockets that keep messages apart (SOCK_SEQPACKET), closed on exec. Returns 0, or -errno.
int vms_socketpair(int ends[2]);
// Sends one message, and the descriptor `fd` with it unless that is -1. Returns 0, or -errno; without
// `waits` -EAGAIN where there is no room.
int vms_send(int socket, const void *bytes, size_t size, int fd, bool waits);
// Receives one message of at most `size` bytes, and one descriptor in `fd`, or -1 there; others that
// come along are closed, and all where `fd` is NULL: whoever sends them may be hostile. Returns its
// length, 0 if the other end has gone, or -errno: -EAGAIN without `waits`, -EMSGSIZE for a longer one.
ssize_t vms_receive(int socket, void *bytes, size_t size, int *fd, bool waits);
// Waits until one of two sockets can be read, or for `milliseconds`. Returns a bit for each (1, 2).
int vms_wait(int first, int second, int milliseconds);

// Starts this executable anew as `vmascope ROLE`, with the sockets as its descriptors 3 and 4, nothing
// else open, an empty environment, no signal blocked, and at normal niceness. With `confined` exec
// gives it no privilege. Returns its process id, or -errno.
int vms_spawn_helper(const char *role, int first, int second, bool confined);
// Starts this executable anew with these arguments, the first of which is its name: as a command of its own, which
// gets SIGTERM when we have gone, in the directory `folder`, where it can make no file larger than `bytes`. What it
// writes to stderr is in the file `errors`. Returns its process id, or -errno.
int vms_spawn_command(char *const arguments[], int folder, uint64_t bytes, int *errors);
// Nanoseconds of processor time that a process has used; 0 if it is gone.
uint64_t vms_process_time(int pid);
// The same of all helpers that run, and of all children that have been waited for.
uint64_t vms_helpers_time(void);
// Ends it, and does not wait: a process inside of a file system that hangs can't end.
void vms_end_helper(int pid);
// Returns true once when it has ended, and then in `status`, unless that is NULL, with which status it has
// exited by itself; 0 if a signal has ended it.
bool vms_has_ended(int pid, int *status);

// The users of which a helper becomes one, where it may.
#define VMS_FIRST_OWN_USER 0x70000000U
#define VMS_OWN_USERS (7U << 16)

// What a helper could not give up: its exit status.
enum {
	VMS_REFUSED_CAPABILITIES = 81,  // capset(2)
	VMS_REFUSED_PROCESS,            // prctl(2)
	VMS_REFUSED_LIMITS,             // setrlimit(2)
	VMS_REFUSED_FILTER,             // a seccomp filter
};

// What a helper gives up for good. Each returns 0, or one of the numbers above, in which case it must not go on. To
// become another user is no condition: without CAP_SETUID a helper keeps vmascope's.
//
// The reader: a user of its own, no capability, no file, no network, no new process, `memory` bytes of
// address space, `files` descriptors.
int vms_confine_reader(uint64_t memory, uint64_t files);
// The opener: all but what opening files of other processes takes. It can open none to write to, and has no
// user's files but its own.
int vms_confine_opener(void);
// The reader of /proc: all but what reading what processes of others map takes.
int vms_confine_proc_reader(void);

// Which file it is: major number × 2^32 + minor number, and the inode's.
struct vms_numbers {
	uint64_t device;
	uint64_t inode;
};

// With whose rights a file is opened: those of this user and these groups, without any capability.
struct vms_rights {
	uint32_t uid;
	uint32_t gid;
	const uint32_t *groups;
	size_t count;
};

// Opens below the directory `root`, which no link and no `..` leaves, as openat2(2) does with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS: that has its flags where no filter of system calls sees them. `links`: symbolic links within
// are followed. Regular files only, read only.
// Returns a descriptor, or -errno; -EISDIR for what is not a regular file, -ESTALE for another file than the
// `expected` one, which is not opened. NULL: any is opened. On some file systems (overlayfs, btrfs) the
// numbers can only be compared afterwards, and the caller has to.
// -EACCES where these `rights` would not open it, by its mode and those of the directories; with an access control list
// only those of its owner and of everybody count. NULL: our own rights.
int vms_open_below(int root, const char *path, bool links, const struct vms_numbers *expected,
		   const struct vms_rights *rights);
// Opens a link of /proc (map_files, exe) in the same way.
int vms_open_link(const char *path, const struct vms_numbers *expected);
// The same as a place only (O_PATH): nothing is opened.
int vms_open_link_place(const char *path);
// A directory as a place only (O_PATH).
int vms_open_place(const char *path);

#endif
