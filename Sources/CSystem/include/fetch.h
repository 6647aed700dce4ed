// Programs of others that vmascope starts, as an ordinary user.
#ifndef VMASCOPE_FETCH_H
#define VMASCOPE_FETCH_H

#include <stdint.h>

// Starts `arguments[0]` with this environment and no other, as this user and group with no others, never to become
// more; its standard output can be read from `*output` (without waiting), its input and its errors are /dev/null, and
// nothing else is open. It ends when vmascope does. Where vmascope may not change its user, that has to be its own.
// Returns its process id, or -errno.
int vms_spawn_fetch(char *const arguments[], char *const environment[], uint32_t uid, uint32_t gid,
		    int *output);
// Removes a directory of ours with all that is in it.
void vms_remove_tree(const char *path);

#endif
