// Programs of others that vmascope starts, as an ordinary user.
#ifndef VMASCOPE_FETCH_H
#define VMASCOPE_FETCH_H

#include <stdint.h>

// Bytes of one fetched file, and of all; those that come at once may be more.
#define VMS_FETCH_EACH (1ULL << 30)
#define VMS_FETCH_ALL (4ULL << 30)

// Starts `arguments[0]` with this environment and no other, as this user and group with no others, never to become
// more; its standard output can be read from `*output` (without waiting), its input and its errors are /dev/null, and
// nothing else is open. It ends when vmascope does. Where vmascope may not change its user, that has to be its own.
// Returns its process id, or -errno.
//
// It may write as many bytes as the files `earlier` (up to NULL), and `lost` others, leave of VMS_FETCH_ALL.
int vms_spawn_fetch(char *const arguments[], char *const environment[], uint32_t uid, uint32_t gid,
		    char *const earlier[], unsigned int lost, int *output);
// Removes a directory that this user could write to, with all that is in it, as this user: through descriptors, no
// link is followed. Its own place has to be one where the user can't write. Takes two seconds at most.
void vms_remove_tree(const char *path, uint32_t uid, uint32_t gid);

#endif
