#ifndef SHM_H
#define SHM_H

#include "scenario.h"

#include <sys/ipc.h>
#include <sys/shm.h>

// A shared memory segment, whose VMAs have a close hook: it counts those who are attached.
// It is gone when the last one is.
static inline void attach(long page, long pages)
{
	int id = shmget(IPC_PRIVATE, pages * PAGE, 0600);

	CHECK(id);
	CHECK(shmat(id, at(page), 0));
	CHECK(shmctl(id, IPC_RMID, NULL));
}

#endif
