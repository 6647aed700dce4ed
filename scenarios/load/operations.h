// The operations of random.c: what each of them does with random numbers, and the state it needs.
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include "../scenario.h"

#include "rare.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MADV_GUARD 102
#define MADV_UNGUARD 103
#define FILE_PAGES 256
#define HEAP_PAGES 64
#define CHILDREN 3  // alive at a time, of each process
#define CHILD_OPS 25
#define GENERATIONS 2
#define STRAYS 16  // mappings outside the area, whose place the kernel chose

enum operation {
	MMAP,
	MMAP_FREE,
	MMAP_FILE,
	MUNMAP,
	MOVE,
	MOVE_BACK,
	MOVE_KEEP,
	GROW,
	SHRINK,
	MPROTECT,
	MADVISE,
	GUARD,
	MLOCK,
	MUNLOCK,
	MBIND,
	BRK,
	SHMAT,
	SHMDT,
	TOUCH,
	READ,
	FORK,
	MOVE_MANY,
	UNMAP_MANY,
	GROW_DOWN,
	PKEY,
	OUTSIDE,
	LOCK_ALL,
	UNLOCK_ALL,
	REMAP,
	UFFD,
	UFFD_HELD,
	NAME,
	MERGEABLE,
	SEAL,
	VFORK,
	EXEC,
	SHARE,
	AIO,
	URING,
	OPERATIONS
};

static const struct {
	const char *name;
	int weight;
} operations[OPERATIONS] = {
	[MMAP] = { "mmap", 200 },
	[MMAP_FREE] = { "mmap_free", 20 },
	[MMAP_FILE] = { "mmap_file", 60 },
	[MUNMAP] = { "munmap", 80 },
	[MOVE] = { "move", 50 },
	[MOVE_BACK] = { "move_back", 20 },
	[MOVE_KEEP] = { "move_keep", 10 },
	[GROW] = { "grow", 30 },
	[SHRINK] = { "shrink", 10 },
	[MPROTECT] = { "mprotect", 150 },
	[MADVISE] = { "madvise", 80 },
	[GUARD] = { "guard", 10 },
	[MLOCK] = { "mlock", 20 },
	[MUNLOCK] = { "munlock", 20 },
	[MBIND] = { "mbind", 10 },
	[BRK] = { "brk", 20 },
	[SHMAT] = { "shmat", 5 },
	[SHMDT] = { "shmdt", 5 },
	[TOUCH] = { "touch", 180 },
	[READ] = { "read", 20 },
	[FORK] = { "fork", 3 },
	[MOVE_MANY] = { "move_many", 10 },
	[GROW_DOWN] = { "grow_down", 4 },
	[PKEY] = { "pkey_mprotect", 10 },
	[OUTSIDE] = { "outside", 1 },
	[LOCK_ALL] = { "lock_all", 1 },
	[UNLOCK_ALL] = { "unlock_all", 2 },
	[REMAP] = { "remap_file", 4 },
	[UFFD] = { "uffd", 4 },
	[NAME] = { "name", 4 },
	[MERGEABLE] = { "mergeable", 1 },
	[SEAL] = { "seal", 1 },
	[VFORK] = { "vfork", 1 },
	[SHARE] = { "share", 2 },
	[AIO] = { "aio", 2 },
	[URING] = { "uring", 2 },
	[UNMAP_MANY] = { "munmap_many", 4 },
	[UFFD_HELD] = { "uffd_held", 8 },
	[EXEC] = { "exec", 1 },
};

struct worker {
	uint64_t state, seed;
	long ops;
	int generation;
	int children;
	struct {
		char *start;
		size_t size;
	} strays[STRAYS];
	long from, to, pages;  // the last move
	long tried[OPERATIONS], succeeded[OPERATIONS];
};

static long area_pages = 256, pause_after, pause_ms, listed_count;
static struct {
	int thread;
	long number;
} * listed;
static struct worker workers[64];
static int log_file = -1, is_off[OPERATIONS], threads;
static const char *self;
static int zero, sink, files[2], segment, weights;
static char *heap;
static pthread_barrier_t start_line, resting_place;

// xorshift64*
static uint64_t number(struct worker *w, uint64_t limit)
{
	w->state ^= w->state >> 12;
	w->state ^= w->state << 25;
	w->state ^= w->state >> 27;
	return (w->state * 0x2545f4914f6cdd1d >> 20) % limit;
}

#define PICK(w, ...) \
	((const int[]){ __VA_ARGS__ }[number(w, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))])

// Mostly few pages: neighbours are what this is about.
static long some_pages(struct worker *w)
{
	return number(w, 20) ? 1 + number(w, 4) : 1 + number(w, 40);
}

static char *somewhere(struct worker *w, long pages)
{
	return at(number(w, area_pages - pages + 1));
}

static int stray(struct worker *w, char *start, size_t size)
{
	unsigned slot = number(w, STRAYS);

	if (start == MAP_FAILED)
		return -1;
	if (start >= AREA && start < AREA + area_pages * PAGE)
		return 0;
	if (w->strays[slot].size)
		munmap(w->strays[slot].start, w->strays[slot].size);
	w->strays[slot].start = start;
	w->strays[slot].size = size;
	return 0;
}

static int map_anonymous(struct worker *w, int is_free)
{
	static const int kinds[] = {
		ANON, ANON, ANON, ANON, ANON, ANON, ANON | MAP_NORESERVE, MAP_SHARED | MAP_ANONYMOUS
	};
	int prot = PICK(w, RW, RW, RW, RW, R, PROT_NONE), flags = kinds[number(w, 8)];
	long pages = some_pages(w);
	char *to = somewhere(w, pages);

	if (!is_free)
		return mmap(to, pages * PAGE, prot,
			    flags | PICK(w, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE), -1,
			    0) == MAP_FAILED
			       ? -1
			       : 0;
	return stray(w, mmap(number(w, 2) ? to : 0, pages * PAGE, prot, flags, -1, 0),
		     pages * PAGE);
}

static int map_some_file(struct worker *w)
{
	long pages = some_pages(w);
	char *to = somewhere(w, pages);
	// The offset is often such that a neighbour's would continue.
	long offset = number(w, 3) ? (to - AREA) / PAGE % FILE_PAGES : (long)number(w, FILE_PAGES);

	return mmap(to, pages * PAGE, PICK(w, R, RW, RW),
		    PICK(w, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED) | MAP_FIXED, files[number(w, 2)],
		    offset * PAGE) == MAP_FAILED
		       ? -1
		       : 0;
}

static int move_some(struct worker *w, int flags)
{
	long pages = some_pages(w);
	long from = number(w, area_pages - pages + 1), to = number(w, area_pages - pages + 1);

	w->from = from;
	w->to = to;
	w->pages = pages;
	return mremap(at(from), pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | flags,
		      at(to)) == MAP_FAILED
		       ? -1
		       : 0;
}

static int move_back(struct worker *w)
{
	if (!w->pages)
		return -1;
	return mremap(at(w->to), w->pages * PAGE, w->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      at(w->from)) == MAP_FAILED
		       ? -1
		       : 0;
}

static int resize(struct worker *w, int grows)
{
	long old = some_pages(w), new = grows ? old + some_pages(w) : 1 + (long)number(w, old);
	char *from;

	if (new > area_pages)  // of the smallest area two large numbers can be more than all
		new = area_pages;
	from = somewhere(w, old > new ? old : new);
	// Growing in place stays in the area; where it may move, the kernel says where to.
	return stray(w, mremap(from, old * PAGE, new *PAGE, number(w, 2) ? MREMAP_MAYMOVE : 0),
		     new *PAGE);
}

static int move_brk(struct worker *w)
{
	char *to = heap + number(w, HEAP_PAGES * PAGE);

	return (char *)syscall(SYS_brk, to) == to ? 0 : -1;
}

static int touch_some(struct worker *w, int writes)
{
	char *where = number(w, 12) ? somewhere(w, 1) : heap + number(w, HEAP_PAGES) * PAGE;

	// The kernel touches it for us: a page that is not there is an error then, and no signal.
	return writes ? read(zero, where, 1) : pwrite(sink, where, 1, 0);
}

static void work(struct worker *w);

static int fork_child(struct worker *w)
{
	uint64_t seed = number(w, 1UL << 40) + 1;
	pid_t pid;

	if (w->generation == GENERATIONS)
		return -1;
	while (w->children >= CHILDREN) {
		if (wait(0) < 0)
			break;
		w->children--;
	}
	// The bare call: handlers of the C library would touch memory of their own.
	pid = syscall(SYS_fork);
	if (pid == 0) {
		struct worker child = { .seed = seed,
					.ops = CHILD_OPS,
					.generation = w->generation + 1 };

		work(&child);
		_exit(0);
	}
	w->children += pid > 0;
	return pid < 0 ? -1 : 0;
}

static int perform(struct worker *w, enum operation operation)
{
	long pages = some_pages(w);
	char *where = somewhere(w, pages);
	unsigned long nodes = 1;

	if (number(w, 15) == 0) {
		where = heap + number(w, HEAP_PAGES - 4) * PAGE;
		pages = 1 + number(w, 4);
	}
	switch (operation) {
	case MMAP:
		return map_anonymous(w, 0);
	case MMAP_FREE:
		return map_anonymous(w, 1);
	case MMAP_FILE:
		return map_some_file(w);
	case MUNMAP:
		where = somewhere(w, pages);
		return munmap(where, pages * PAGE);
	case MOVE:
		return move_some(w, 0);
	case MOVE_BACK:
		return move_back(w);
	case MOVE_KEEP:
		return move_some(w, MREMAP_DONTUNMAP);
	case GROW:
		return resize(w, 1);
	case SHRINK:
		return resize(w, 0);
	case MPROTECT:
		return mprotect(where, pages * PAGE,
				PICK(w, RW, RW, RW, R, R, PROT_NONE, RX, RW | PROT_EXEC));
	case MADVISE:
		return madvise(where, pages * PAGE,
			       PICK(w, MADV_DONTDUMP, MADV_DODUMP, MADV_DODUMP, MADV_DONTFORK,
				    MADV_DOFORK, MADV_DOFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				    MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTNEED, MADV_DONTNEED,
				    MADV_FREE, MADV_SEQUENTIAL, MADV_NORMAL, MADV_WIPEONFORK,
				    MADV_KEEPONFORK));
	case GUARD:
		return madvise(where, pages * PAGE, PICK(w, MADV_GUARD, MADV_UNGUARD));
	case MLOCK:
		return number(w, 4) ? mlock(where, pages * PAGE) : mlock2(where, pages * PAGE, 1);
	case MUNLOCK:
		return munlock(where, pages * PAGE);
	case MBIND:
		return syscall(SYS_mbind, where, pages * PAGE,
			       PICK(w, MPOL_DEFAULT, MPOL_PREFERRED), &nodes,
			       number(w, 2) ? 64UL : 0UL, 0);
	case BRK:
		return move_brk(w);
	case SHMAT:
		return shmat(segment, where, PICK(w, 0, SHM_REMAP, SHM_REMAP | SHM_RDONLY)) ==
				       (void *)-1
			       ? -1
			       : 0;
	case SHMDT:
		return shmdt(where);
	case TOUCH:
		return touch_some(w, 1);
	case READ:
		return touch_some(w, 0);
	case FORK:
		return fork_child(w);
	case MOVE_MANY:
		pages = 4 + number(w, 12);
		return mremap(somewhere(w, pages), pages * PAGE, pages * PAGE,
			      MREMAP_MAYMOVE | MREMAP_FIXED, somewhere(w, pages)) == MAP_FAILED
			       ? -1
			       : 0;
	case GROW_DOWN:
		return grow_down(somewhere(w, pages), pages, zero);
	case PKEY:
		return syscall(SYS_pkey_mprotect, where, pages * PAGE, PICK(w, RW, RW, R),
			       PICK(w, -1, 0));
	case OUTSIDE:
		return advise_from_outside(where, pages * PAGE);
	case LOCK_ALL:
		return mlockall(
			PICK(w, MCL_CURRENT, MCL_CURRENT | 4, MCL_FUTURE | 4));  // MCL_ONFAULT
	case UNLOCK_ALL:
		return munlockall();
	case UNMAP_MANY:
		pages = 16 + number(w, 48);
		return munmap(somewhere(w, pages), pages * PAGE);
	case REMAP:
		return remap_pages(somewhere(w, pages), pages, files[number(w, 2)],
				   number(w, FILE_PAGES - 40));
	case UFFD:
		return register_uffd(where, pages * PAGE, number(w, 2));
	case UFFD_HELD:
		return hold_uffd(where, pages * PAGE, number(w, HELD_UFFDS));
	case NAME:
		return name_range(where, pages * PAGE, number(w, 3));
	case MERGEABLE:
		return prctl(67, number(w, 2), 0, 0, 0);  // PR_SET_MEMORY_MERGE
	case SEAL:
		// In a place where nothing else is done, since what is sealed stays sealed.
		where = at(area_pages + 64 + 3 * number(w, 200));
		return mmap(where, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED
			       ? -1
			       : (int)syscall(NR_MSEAL, where, PAGE, 0UL);
	case VFORK:
		return vfork_and_exec(self);
	case EXEC:
		return exec_from_thread(self);
	case SHARE:
		return share_memory(somewhere(w, 4));
	case AIO:
		return set_up_aio();
	case URING:
		return set_up_uring();
	default:
		return -1;
	}
}

#endif
