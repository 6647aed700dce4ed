// What the cases have in common: pages, and failures that end the program.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define RW (PROT_READ | PROT_WRITE)
#define MEMORY (MAP_PRIVATE | MAP_ANONYMOUS)
// So that each function has a frame of its own, STEP keeps it from being inlined, and RETURNS, behind its last call,
// keeps that from becoming a jump.
#define STEP __attribute__((noinline)) static
#define RETURNS __asm__ volatile("" ::: "memory")

__attribute__((unused)) static void must(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(2);
}

__attribute__((unused)) static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(0, pages * PAGE, prot, flags, -1, 0);
	must(p != MAP_FAILED, "mmap");
	return p;
}
