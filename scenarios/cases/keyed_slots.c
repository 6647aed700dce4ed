// filled: flags
// by: pkey_mprotect colour pool
// do: protection-keys
// detail: VM_PKEY
// needs: pku
// changed
//
// Slots of a pool take turns with three protection keys. Changed: those of one key lie together.
#include "case.h"

enum { SLOTS = 300, KEYS = 3 };

STEP void colour(char *slot, int key)
{
	must(pkey_mprotect(slot, 4 * PAGE, RW, key) == 0, "pkey_mprotect");
	RETURNS;
}

STEP void pool(const int *key, int together)
{
	char *p = map(4 * SLOTS, PROT_NONE, MEMORY | MAP_NORESERVE);

	for (int i = 0; i < SLOTS; i++)
		colour(p + i * 4 * PAGE, key[together ? i / (SLOTS / KEYS) : i % KEYS]);
	RETURNS;
}

int main(int argc, char **argv)
{
	int key[KEYS];

	(void)argv;
	for (int i = 0; i < KEYS; i++)
		must((key[i] = pkey_alloc(0, 0)) >= 0, "pkey_alloc");
	pool(key, argc > 1);
	return 0;
}
