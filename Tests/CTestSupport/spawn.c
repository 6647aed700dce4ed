#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include "tests.h"

int tests_spawn(pid_t *pid, char *const words[], char *const environment[], const char *directory,
		const int streams[3])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	if (directory)
		posix_spawn_file_actions_addchdir_np(&actions, directory);
	for (int i = 0; i < 3; i++)
		if (streams[i] < 0)
			posix_spawn_file_actions_addopen(&actions, i, "/dev/null",
							 i ? O_WRONLY : O_RDONLY, 0);
		else
			posix_spawn_file_actions_adddup2(&actions, streams[i], i);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	error = posix_spawnp(pid, words[0], &actions, &attributes, words, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}
