// Functions that Swift can't call by itself (variadic and unavailable ones), and what must happen
// between fork and exec, where no Swift code may run.
#ifndef VMASCOPE_SYSTEM_H
#define VMASCOPE_SYSTEM_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Starts a command that waits before its first instruction until `vms_release`.
// Returns 0 and fills in `pid` and both descriptors of the gate, or an errno.
int vms_spawn(char *const argv[], int *pid, int gate[2]);
// Lets the command run. Returns 0, or the errno with which exec failed (the child has ended
// then).
int vms_release(const int gate[2]);

// Waits until so many bytes can be written without waiting, and returns how many: less than `size` to a pipe or a
// terminal. 0 if SIGINT or SIGTERM, which are blocked, came meanwhile: whoever reads a pipe may be asleep for ever.
size_t vms_wait_to_write(int fd, size_t size);

// SIGINT, SIGTERM and SIGCHLD come through the returned descriptor from now on, or -errno. With
// `stays`, so do SIGHUP and SIGWINCH, of which the first would end us.
int vms_signal_fd(bool stays);
// The next pending signal of a descriptor from vms_signal_fd, or 0 if there is none.
int vms_next_signal(int fd);
// SIGINT and SIGTERM have their old effect again. Those that came until now have been obeyed.
void vms_restore_signals(void);

// Opens those of the descriptors 0, 1 and 2 that are closed, so that they can't be read or
// written: else another file would take their place. A command that is started does not get them.
void vms_hold_standard_streams(void);
// Whether exec gave this process more rights than the one that started it has (AT_SECURE).
bool vms_has_gained_privileges(void);

// Who made the outermost user namespace that a process is in, below our own. Returns 1 and the user, 0 if the process is
// in ours, or -errno.
int vms_namespace_maker(int pid, uid_t *maker);

// The size of the terminal that `fd` is. Returns 0, or -1 and errno.
int vms_terminal_size(int fd, int *columns, int *rows);

int vms_pidfd_open(int pid);
// fork(2), for a process of one thread.
int vms_fork(void);
// mremap(2) of `size` bytes to a fixed place, with or without MREMAP_DONTUNMAP. Returns 0, or -1
// and errno.
int vms_move(void *from, size_t size, void *to, bool keeps_source);
// Starts a child that has VMAs with as many different flags as the kernel allows, and waits to be
// killed. Returns its id, or -1 and errno.
int vms_flags_child(void);
// Asks for KSM on all present and future memory of this process.
int vms_merge_memory(void);
// Whether a heap that begins where another mapping ends is one VMA with it: tried by a child,
// which gives up its heap. `start_brk` is this process's. Returns 1, 0, or -1 if it can't be
// tried.
int vms_brk_joins_below(unsigned long start_brk);
// Attaches a new System V segment in place of what is mapped there. Returns 0, or -1 if that is
// not possible.
int vms_attach_segment(void *address, size_t size);
// Starts a child that maps, protects and unmaps memory, `rounds` times in so many hundredths of a
// second, and then waits to be killed. Returns its pid, or -1 and errno.
int vms_exercise(unsigned rounds);
// prctl(PR_SET_VMA_ANON_NAME). 0, or -1 and errno.
int vms_name_memory(void *address, size_t size, const char *name);
uint64_t vms_monotonic_ns(void);

/* The commit that the executable was built of, as make says it to the linker; "" where nothing has. */
const char *vms_build_commit(void);
// 0, or -errno.
int vms_raise_locked_memory_limit(void);
// Returns freed memory to the kernel, and drops the pages of the executable that only the start
// has read.
void vms_release_memory(void);
// Overwrites memory that nobody may see any more.
void vms_clear(void *memory, size_t size);
// Stores a value so that whoever sees it sees everything that was stored before it.
void vms_publish(uint64_t *place, uint64_t value);
// From now on this process runs before others that want the processor, if it may.
void vms_run_first(void);

// The reader of a BPF ring buffer. `deliver` gets one record, in the ring's own read-only memory,
// and ends the round by returning anything but 0.
struct vms_ring;
typedef int (*vms_record_fn)(void *context, void *record, size_t size);
// `size` is the size of the map in bytes. Returns NULL and errno if it can't be mapped.
struct vms_ring *vms_ring_open(int fd, size_t size, vms_record_fn deliver, void *context);
void vms_ring_close(struct vms_ring *ring);
// A descriptor that can be read when a record has asked for that (BPF_RB_FORCE_WAKEUP) since the last call of
// vms_ring_awake, or -errno.
int vms_ring_alarm(int fd);
void vms_ring_awake(int alarm);
// Delivers what there is. Returns 0, what `deliver` ended it with, or -errno.
int vms_ring_consume(struct vms_ring *ring);

// The text of a mangled name with all its types, of at most `room` bytes, without a zero at its
// end. Returns its length, or -1 if the name is not mangled, or too long. Not for two threads at
// once.
ssize_t vms_demangle_cxx(const char *name, char *text, size_t room);
// The same, as a string that the caller frees, or NULL.
char *vms_demangle_swift(const char *name, size_t length);
// Limits both to 0.2 s of processor time from now on: beyond that a C++ name stays mangled, and
// for a Swift name this process ends with status 75. For a process of one thread.
void vms_guard_demangling(void);

#endif
