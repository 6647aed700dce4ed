// filled: file+close
// by: shmat other lookup main
// do: attach-once one-piece
// changed
//
// A segment is attached at each look-up, and what shmdt is given is not what shmat returned. Changed: it is.
#include "case.h"

STEP void lookup(int id, int changed)
{
	char *p = shmat(id, 0, 0);
	must(p != (char *)-1, "shmat");
	shmdt(changed ? p : p + 8);
}

int main(int argc, char **argv)
{
	(void)argv;
	int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600 | IPC_CREAT);
	for (int i = 0; i < 300; i++)
		lookup(id, argc > 1);
	shmctl(id, IPC_RMID, 0);
	return 0;
}
