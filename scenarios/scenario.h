// What the scenarios share. Each is the smallest program that makes the kernel consider one
// merge, with its verdict written above it; the numbers of pages in them are places in AREA.
#ifndef SCENARIO_H
#define SCENARIO_H

// Include this first: the C library shows mremap and others only when asked before its first header.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// Far from everything that the kernel or the C library maps, so that a scenario's mappings
// have no neighbours but each other.
#define AREA ((char *)0x200000000000)
#define AREA_SIZE (1UL << 30)
#define PAGE 4096UL

#define R PROT_READ
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

// A scenario that could not do what it is for must not pass for one that did.
#define CHECK(call) ((long)(call) == -1 ? die(#call) : (void)0)

static inline void die(const char *what)
{
	const char *parts[] = { what, ": ", strerrorname_np(errno), "\n" };

	// No stdio: it allocates, which is a merge attempt of its own.
	for (int i = 0; i < 4; i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			break;
	_exit(1);
}

// Appends what the kernel has in the end, `== PID` and then /proc/self/maps, to the file that
// SCENARIO_MAPS names, so that a layout made from events can be compared with it.
static __attribute__((destructor, used)) void leave_maps(void)
{
	const char *path = getenv("SCENARIO_MAPS");
	static char text[1 << 16];
	char pid[24], *digits = pid + sizeof(pid);
	int maps, file;
	long got;

	if (!path)
		return;
	*--digits = '\n';
	for (long rest = getpid(); rest; rest /= 10)
		*--digits = '0' + rest % 10;
	digits -= 3;
	memcpy(digits, "== ", 3);
	// Touched before it is read: a page fault may change what is being read.
	memset(text, 1, sizeof(text));
	CHECK(maps = open("/proc/self/maps", O_RDONLY));
	CHECK(file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644));
	CHECK(write(file, digits, pid + sizeof(pid) - digits));
	while ((got = read(maps, text, sizeof(text))) > 0)
		CHECK(write(file, text, got));
}

static inline char *at(long page)
{
	return AREA + page * PAGE;
}

// Makes sure that the area is free. It is left unmapped: a reservation would be a neighbour.
static inline void open_area(void)
{
	CHECK(mmap(AREA, AREA_SIZE, PROT_NONE, ANON | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
	CHECK(munmap(AREA, AREA_SIZE));
}

static inline void map_with(long page, long pages, int prot, int flags)
{
	CHECK(mmap(at(page), pages * PAGE, prot, flags | MAP_FIXED, -1, 0));
}

static inline void map(long page, long pages, int prot)
{
	map_with(page, pages, prot, ANON);
}

static inline void map_file(long page, long pages, int prot, int flags, int fd, long file_page)
{
	CHECK(mmap(at(page), pages * PAGE, prot, flags | MAP_FIXED, fd, file_page * PAGE));
}

static inline void unmap(long page, long pages)
{
	CHECK(munmap(at(page), pages * PAGE));
}

// Writing is what gives a private mapping an anon_vma; reading only maps the zero page.
static inline void touch(long page, long pages)
{
	for (long i = 0; i < pages; i++)
		*(volatile char *)at(page + i) = 1;
}

static inline void protect(long page, long pages, int prot)
{
	CHECK(mprotect(at(page), pages * PAGE, prot));
}

static inline void move_with(long from, long to, long pages, int flags)
{
	CHECK(mremap(at(from), pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | flags,
		     at(to)));
}

static inline void move(long from, long to, long pages)
{
	move_with(from, to, pages, 0);
}

static inline void grow(long page, long pages, long new_pages)
{
	CHECK(mremap(at(page), pages * PAGE, new_pages * PAGE, 0));
}

static inline void advise(long page, long pages, int advice)
{
	CHECK(madvise(at(page), pages * PAGE, advice));
}

// A file in memory, since a guest may have nowhere else to write.
static inline int new_file(long pages)
{
	int fd = memfd_create("scenario", 0);

	CHECK(fd);
	CHECK(ftruncate(fd, pages * PAGE));
	return fd;
}

#endif
