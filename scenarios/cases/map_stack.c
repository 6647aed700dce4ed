// filled: anon_vma+flags
// by: mmap stack main
// do: map-stack
// detail: VM_NOHUGEPAGE
// changed
//
// Stacks with MAP_STACK lie beside chunks without. Since Linux 6.7 the flag sets VM_NOHUGEPAGE, and it is that,
// not the anon_vmas, which has to go. Changed: the flag is left out.
#include "case.h"

STEP void stack(int flag)
{
	map(8, RW, MEMORY | flag)[0] = 1;
}

STEP void chunk(void)
{
	map(8, RW, MEMORY)[0] = 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 300; i++) {
		stack(argc > 1 ? 0 : MAP_STACK);
		chunk();
	}
	return 0;
}
