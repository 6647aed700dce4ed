// filled: prot
// by: mprotect guards main
// do: guard-install
//
// A program leaves a helper behind, which lives on. The answer is about the program all the same.
#include "case.h"

STEP void guards(char *p)
{
	for (int i = 1; i < 1000; i += 2)
		must(mprotect(p + i * PAGE, PAGE, PROT_NONE) == 0, "mprotect");
	RETURNS;
}

int main(void)
{
	if (fork() == 0) {
		setsid();
		execl("/bin/sleep", "sleep", "3", (char *)0);
		_exit(1);
	}
	guards(map(1001, RW, MEMORY));
	usleep(200000);
	return 0;
}
