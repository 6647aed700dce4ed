// random SEED OPS THREADS [PAGES]: OPS random VMA operations by each of THREADS threads, all in
// one area of PAGES pages. Calls may fail: nobody knows what they find there. Ends with 0 and
// one line, `operation=tried/succeeded …`.
#include "../scenario.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
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
#define CHILDREN 3       // alive at a time, of each process
#define CHILD_OPS 25
#define GENERATIONS 2
#define STRAYS 16        // mappings outside the area, whose place the kernel chose

enum operation {
	MMAP, MMAP_FREE, MMAP_FILE, MUNMAP, MOVE, MOVE_BACK, MOVE_KEEP, GROW, SHRINK, MPROTECT, MADVISE,
	GUARD, MLOCK, MUNLOCK, MBIND, BRK, SHMAT, SHMDT, TOUCH, READ, FORK, OPERATIONS
};

static const struct {
	const char *name;
	int weight;
} operations[OPERATIONS] = {
	[MMAP] = { "mmap", 200 },           [MMAP_FREE] = { "mmap_free", 20 },
	[MMAP_FILE] = { "mmap_file", 60 },  [MUNMAP] = { "munmap", 80 },
	[MOVE] = { "move", 50 },            [MOVE_BACK] = { "move_back", 20 },
	[MOVE_KEEP] = { "move_keep", 10 },  [GROW] = { "grow", 30 },
	[SHRINK] = { "shrink", 10 },        [MPROTECT] = { "mprotect", 150 },
	[MADVISE] = { "madvise", 80 },      [GUARD] = { "guard", 10 },
	[MLOCK] = { "mlock", 20 },          [MUNLOCK] = { "munlock", 20 },
	[MBIND] = { "mbind", 10 },          [BRK] = { "brk", 20 },
	[SHMAT] = { "shmat", 5 },           [SHMDT] = { "shmdt", 5 },
	[TOUCH] = { "touch", 180 },         [READ] = { "read", 20 },
	[FORK] = { "fork", 3 },
};

struct worker {
	uint64_t state;
	long ops;
	int generation;
	int children;
	struct { char *start; size_t size; } strays[STRAYS];
	long from, to, pages;  // the last move
	long tried[OPERATIONS], succeeded[OPERATIONS];
};

static long area_pages = 256;
static int zero, sink, files[2], segment, weights;
static char *heap;
static pthread_barrier_t start_line;

// xorshift64*
static uint64_t number(struct worker *w, uint64_t limit)
{
	w->state ^= w->state >> 12;
	w->state ^= w->state << 25;
	w->state ^= w->state >> 27;
	return (w->state * 0x2545f4914f6cdd1d >> 20) % limit;
}

#define PICK(w, ...) ((const int[]){ __VA_ARGS__ }[number(w, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))])

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
	static const int kinds[] = { ANON, ANON, ANON, ANON, ANON, ANON, ANON | MAP_NORESERVE,
				     MAP_SHARED | MAP_ANONYMOUS };
	int prot = PICK(w, RW, RW, RW, RW, R, PROT_NONE), flags = kinds[number(w, 8)];
	long pages = some_pages(w);
	char *to = somewhere(w, pages);

	if (!is_free)
		return mmap(to, pages * PAGE, prot, flags | PICK(w, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE), -1, 0)
			== MAP_FAILED ? -1 : 0;
	return stray(w, mmap(number(w, 2) ? to : 0, pages * PAGE, prot, flags, -1, 0), pages * PAGE);
}

static int map_some_file(struct worker *w)
{
	long pages = some_pages(w);
	char *to = somewhere(w, pages);
	// Often where a neighbour's offset would continue.
	long offset = number(w, 3) ? (to - AREA) / PAGE % FILE_PAGES : (long)number(w, FILE_PAGES);

	return mmap(to, pages * PAGE, PICK(w, R, RW, RW), PICK(w, MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED) | MAP_FIXED,
		    files[number(w, 2)], offset * PAGE) == MAP_FAILED ? -1 : 0;
}

static int move_some(struct worker *w, int flags)
{
	long pages = some_pages(w);
	long from = number(w, area_pages - pages + 1), to = number(w, area_pages - pages + 1);

	w->from = from;
	w->to = to;
	w->pages = pages;
	return mremap(at(from), pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | flags, at(to))
		== MAP_FAILED ? -1 : 0;
}

static int move_back(struct worker *w)
{
	if (!w->pages)
		return -1;
	return mremap(at(w->to), w->pages * PAGE, w->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(w->from))
		== MAP_FAILED ? -1 : 0;
}

static int resize(struct worker *w, int grows)
{
	long old = some_pages(w), new = grows ? old + some_pages(w) : 1 + (long)number(w, old);
	char *from = somewhere(w, old > new ? old : new);

	// Growing in place stays in the area; where it may move, the kernel says where to.
	return stray(w, mremap(from, old * PAGE, new * PAGE, number(w, 2) ? MREMAP_MAYMOVE : 0), new * PAGE);
}

static int move_brk(struct worker *w)
{
	char *to = heap + number(w, HEAP_PAGES * PAGE);

	return (char *)syscall(SYS_brk, to) == to ? 0 : -1;
}

static int touch_some(struct worker *w, int writes)
{
	char *where = number(w, 12) ? somewhere(w, 1) : heap + number(w, HEAP_PAGES) * PAGE;

	// By the kernel, which reports a page that is not there where the processor would kill us.
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
		struct worker child = { .state = seed, .ops = CHILD_OPS, .generation = w->generation + 1 };

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
	case MMAP: return map_anonymous(w, 0);
	case MMAP_FREE: return map_anonymous(w, 1);
	case MMAP_FILE: return map_some_file(w);
	case MUNMAP:
		where = somewhere(w, pages);
		return munmap(where, pages * PAGE);
	case MOVE: return move_some(w, 0);
	case MOVE_BACK: return move_back(w);
	case MOVE_KEEP: return move_some(w, MREMAP_DONTUNMAP);
	case GROW: return resize(w, 1);
	case SHRINK: return resize(w, 0);
	case MPROTECT: return mprotect(where, pages * PAGE, PICK(w, RW, RW, RW, R, R, PROT_NONE, RX, RW | PROT_EXEC));
	case MADVISE:
		return madvise(where, pages * PAGE,
			       PICK(w, MADV_DONTDUMP, MADV_DODUMP, MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK, MADV_DOFORK,
				    MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTNEED,
				    MADV_DONTNEED, MADV_FREE, MADV_SEQUENTIAL, MADV_NORMAL, MADV_WIPEONFORK,
				    MADV_KEEPONFORK));
	case GUARD: return madvise(where, pages * PAGE, PICK(w, MADV_GUARD, MADV_UNGUARD));
	case MLOCK: return number(w, 4) ? mlock(where, pages * PAGE) : mlock2(where, pages * PAGE, 1);
	case MUNLOCK: return munlock(where, pages * PAGE);
	case MBIND:
		return syscall(SYS_mbind, where, pages * PAGE, PICK(w, MPOL_DEFAULT, MPOL_PREFERRED), &nodes,
			       number(w, 2) ? 64UL : 0UL, 0);
	case BRK: return move_brk(w);
	case SHMAT: return shmat(segment, where, PICK(w, 0, SHM_REMAP, SHM_REMAP | SHM_RDONLY)) == (void *)-1 ? -1 : 0;
	case SHMDT: return shmdt(where);
	case TOUCH: return touch_some(w, 1);
	case READ: return touch_some(w, 0);
	case FORK: return fork_child(w);
	default: return -1;
	}
}

static void work(struct worker *w)
{
	for (long i = 0; i < w->ops; i++) {
		int which = number(w, weights), operation = 0;

		while (which >= operations[operation].weight)
			which -= operations[operation++].weight;
		w->tried[operation]++;
		w->succeeded[operation] += perform(w, operation) >= 0;
	}
	while (wait(0) > 0)
		;
}

static void *run(void *worker)
{
	pthread_barrier_wait(&start_line);
	work(worker);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int threads = argc > 3 ? atoi(argv[3]) : 0;
	char line[2048];
	int length = 0;

	if (argc > 4)
		area_pages = atol(argv[4]);
	if (argc < 4 || threads < 1 || threads > 64 || area_pages < 64 || area_pages > 1500) {
		fprintf(stderr, "usage: random SEED OPS THREADS(1-64) [PAGES(64-1500)]\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &all);
	open_area();
	CHECK(zero = open("/dev/zero", O_RDONLY));
	CHECK(sink = memfd_create("sink", 0));
	for (int i = 0; i < 2; i++)
		files[i] = new_file(FILE_PAGES);
	CHECK(segment = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600));
	// It stays for as long as it is attached somewhere, and no longer.
	CHECK(shmat(segment, 0, 0));
	CHECK(shmctl(segment, IPC_RMID, 0));
	for (int i = 0; i < OPERATIONS; i++)
		weights += operations[i].weight;

	pthread_t ids[64];
	static struct worker workers[64];
	pthread_barrier_init(&start_line, 0, threads + 1);
	for (int i = 0; i < threads; i++) {
		workers[i].state = 0x9e3779b97f4a7c15 * (strtoull(argv[1], 0, 0) * 64 + i + 1);
		workers[i].ops = atol(argv[2]) / threads;
		if (pthread_create(&ids[i], 0, run, &workers[i]))
			die("pthread_create");
	}
	// Behind all that the C library has taken, and it takes no more while they run.
	heap = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	pthread_barrier_wait(&start_line);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], 0);

	for (int i = 0; i < OPERATIONS; i++) {
		long tried = 0, succeeded = 0;

		for (int j = 0; j < threads; j++) {
			tried += workers[j].tried[i];
			succeeded += workers[j].succeeded[i];
		}
		length += snprintf(line + length, sizeof(line) - length, "%s%s=%ld/%ld", i ? " " : "",
				   operations[i].name, tried, succeeded);
	}
	line[length++] = '\n';
	return write(1, line, length) == length ? 0 : 1;
}
