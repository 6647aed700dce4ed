// What `make demo` watches: a program that handles memory as allocators, garbage collectors
// and language runtimes do, and so makes the kernel miss merges for many reasons.
//
// The system calls are inlined and no function is, so that the innermost frame of each stack
// in the report is the function that asked for it. Build with frame pointers.
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP static __attribute__((noinline)) void
#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static inline __attribute__((always_inline)) long call(long number, const void *a, unsigned long b,
						       unsigned long c, unsigned long d,
						       unsigned long e)
{
	register unsigned long r10 __asm__("r10") = d;
	register unsigned long r8 __asm__("r8") = e;
	register unsigned long r9 __asm__("r9") = 0;
	long result;

	// The frame's address is asked for so that there is one by now: compilers like to make it
	// only on the path that calls a function, and then the stack lacks the caller.
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9),
			   "r"(__builtin_frame_address(0))
			 : "rcx", "r11", "memory");
	if (result < 0 && result > -4096)
		_exit(1);
	return result;
}

#define map(at, pages, prot, flags) \
	call(SYS_mmap, at, (pages)*PAGE, prot, (flags) | MAP_FIXED, -1UL)
#define unmap(at, pages) call(SYS_munmap, at, (pages)*PAGE, 0, 0, 0)
#define protect(at, pages, prot) call(SYS_mprotect, at, (pages)*PAGE, prot, 0, 0)
#define advise(at, pages, advice) call(SYS_madvise, at, (pages)*PAGE, advice, 0, 0)
#define move(from, pages, to)                                                             \
	call(SYS_mremap, from, (pages)*PAGE, (pages)*PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, \
	     (unsigned long)(to))

// A place with nothing around it, so that what happens there is all our own doing.
static char *place(void)
{
	static char *next = (char *)0x100000000000;

	return next += 256 * PAGE;
}

static void touch(char *at, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		*(volatile char *)(at + i * PAGE) = 1;
}

// An arena mapped piece by piece, and touched from the bottom up: every piece merges.
STEP extend_arena(char *arena, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++) {
		map(arena + i * PAGE, 1, RW, ANON);
		touch(arena + i * PAGE, 1);
	}
}

// A collector frees a block and moves the one behind it down into its place. Touched memory
// keeps its page offset, which is one block off now.
STEP compact_arena(char *arena)
{
	unmap(arena + 4 * PAGE, 4);
	move(arena + 8 * PAGE, 4, arena + 4 * PAGE);
}

// A buffer grown elsewhere is handed over to another arena: neither its page offset nor its
// anon_vma fits.
STEP append_buffer(char *arena, char *buffer)
{
	move(buffer, 4, arena + 8 * PAGE);
}

// Two arenas that were touched apart, and what lies between them is mapped at last.
STEP fill_hole(char *left)
{
	map(left + 8 * PAGE, 4, RW, ANON);
}

// A guard page comes and goes. What was touched meanwhile on its two sides stays apart.
STEP raise_guard(char *arena)
{
	protect(arena + 8 * PAGE, 1, PROT_NONE);
}

STEP drop_guard(char *arena)
{
	protect(arena + 8 * PAGE, 1, RW);
}

// Secrets stay out of core dumps, and what is mapped behind them is not the same any more.
STEP hide_from_core_dumps(char *arena)
{
	advise(arena, 8, MADV_DONTDUMP);
}

STEP map_behind(char *arena)
{
	map(arena + 8 * PAGE, 4, RW, ANON);
}

// Memory that is not accounted for, beside memory that is.
STEP map_without_reserve(char *arena)
{
	map(arena + 8 * PAGE, 4, RW, ANON | MAP_NORESERVE);
}

// A compiler makes what it has written executable, page after page: the first page stands
// apart, the others join it.
STEP publish_code(char *arena, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		protect(arena + i * PAGE, 1, PROT_READ | PROT_EXEC);
}

// A block is set aside and put back where it was: its page offset fits again, so it merges.
STEP set_aside_and_restore(char *arena)
{
	char *aside = place();

	move(arena + 8 * PAGE, 4, aside);
	move(aside, 4, arena + 8 * PAGE);
}

// A heap is sorted: its blocks come to lie side by side in another order, each with the page offset that it had.
STEP sort_heap(char *from, char *to, unsigned long blocks)
{
	for (unsigned long i = 0; i < blocks; i++)
		move(from + 2 * (blocks - 1 - i) * PAGE, 2, to + 2 * i * PAGE);
}

// What a child maps beside inherited memory is kept apart from it, and rightly so: the
// parent may map the same pages.
STEP map_in_child(char *arena)
{
	map(arena + 8 * PAGE, 4, RW, ANON);
}

int main(void)
{
	char *arena, *other, *code;
	int status;

	for (int i = 0; i < 12; i++) {
		arena = place();
		extend_arena(arena, 12);
		compact_arena(arena);
	}
	for (int i = 0; i < 7; i++) {
		arena = place();
		extend_arena(arena, 8);
		extend_arena(arena + 12 * PAGE, 8);
		fill_hole(arena);
	}
	for (int i = 0; i < 5; i++) {
		arena = place();
		map(arena, 16, RW, ANON);
		raise_guard(arena);
		touch(arena, 8);
		touch(arena + 9 * PAGE, 7);
		drop_guard(arena);
	}
	for (int i = 0; i < 3; i++) {
		arena = place();
		other = place();
		extend_arena(arena, 8);
		extend_arena(other, 4);
		append_buffer(arena, other);
	}
	for (int i = 0; i < 4; i++) {
		arena = place();
		extend_arena(arena, 8);
		hide_from_core_dumps(arena);
		map_behind(arena);
	}
	for (int i = 0; i < 6; i++) {
		arena = place();
		extend_arena(arena, 8);
		map_without_reserve(arena);
	}
	for (int i = 0; i < 8; i++) {
		arena = place();
		extend_arena(arena, 12);
		set_aside_and_restore(arena);
	}
	arena = place();
	other = place();
	extend_arena(arena, 240);
	sort_heap(arena, other, 120);
	code = place();
	extend_arena(code, 8);
	publish_code(code, 6);

	arena = place();
	extend_arena(arena, 8);
	if (call(SYS_fork, NULL, 0, 0, 0, 0) == 0) {
		map_in_child(arena);
		_exit(0);
	}
	wait(&status);
	return status != 0;
}
