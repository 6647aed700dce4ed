// paths new|known COUNT
//
// Parts and joins a mapping COUNT times, each time through another call path, or always through the same. A path is
// the order in which sixteen functions without frame pointers call each other.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096UL

static char *area;

typedef void step(unsigned bits, int left);
static step zero, one;

static void change(void)
{
	mprotect(area + PAGE, PAGE, PROT_READ);
	mprotect(area + PAGE, PAGE, PROT_READ | PROT_WRITE);
}

static void descend(unsigned bits, int left)
{
	if (!left)
		change();
	else
		(bits & 1 ? one : zero)(bits >> 1, left - 1);
}

__attribute__((noinline)) static void zero(unsigned bits, int left)
{
	descend(bits, left);
	__asm__ volatile("");
}

__attribute__((noinline)) static void one(unsigned bits, int left)
{
	descend(bits, left);
	__asm__ volatile("nop");
}

int main(int argc, char **argv)
{
	unsigned count = argc == 3 ? (unsigned)atol(argv[2]) : 0;
	int is_new = argc == 3 && !strcmp(argv[1], "new");

	area = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned n = 0; n < count; n++)
		(n & 1 ? one : zero)(is_new ? n >> 1 : 0, 15);
	return count ? 0 : (fprintf(stderr, "usage: paths new|known COUNT\n"), 2);
}
