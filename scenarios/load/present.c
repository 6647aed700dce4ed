// Moves anonymous memory, and has merges refused by anon_vma, in ranges of which some pages are present. In the end it
// prints how many there were, as /proc/self/pagemap had them right before each call: of what was moved, of what the 2022
// series would have absorbed, and of what it would have had to update (`moved`, `absorbed` or `updated`, then ranges,
// pages, present, zero, swapped). It has to be root, who may see which page is the page of zeros.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define MIB (1UL << 20)
#define RW (PROT_READ | PROT_WRITE)
#define CHECK(call) ((long)(call) == -1 ? (perror(#call), _exit(1)) : (void)0)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

struct sums {
	unsigned long ranges, pages, present, zero, swapped;
};

static struct sums moved, absorbed, updated;
static int pagemap;
static uint64_t zero_frame;
static uint64_t entries[1 << 18];

// Each case has a place of its own, 4 GiB from the next.
static char *place(int nth, unsigned long page)
{
	return (char *)0x200000000000 + nth * (4UL << 30) + page * PAGE;
}

static uint64_t frame(uint64_t entry)
{
	return entry & ((1UL << 55) - 1);
}

static void read_pages(char *from, unsigned long pages)
{
	if (pread(pagemap, entries, pages * 8, (long)from / PAGE * 8) != (long)pages * 8) {
		perror("pagemap");
		_exit(1);
	}
}

static void count(struct sums *sums, char *from, unsigned long pages)
{
	read_pages(from, pages);
	sums->ranges++;
	sums->pages += pages;
	for (unsigned long i = 0; i < pages; i++) {
		if (entries[i] >> 62 & 1)
			sums->swapped++;
		else if (entries[i] >> 63)
			*(frame(entries[i]) == zero_frame ? &sums->zero : &sums->present) += 1;
	}
}

static char *map(char *at, unsigned long pages)
{
	CHECK(mmap(at, pages * PAGE, RW,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
	return at;
}

// Every `step`th page.
static char *touch(char *from, unsigned long pages, unsigned long step)
{
	for (unsigned long i = 0; i < pages; i += step)
		*(volatile char *)(from + i * PAGE) = 1;
	return from;
}

static void move(char *from, unsigned long pages, char *to)
{
	count(&moved, from, pages);
	count(&updated, from, pages);
	CHECK(mremap(from, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

static void print(const char *what, struct sums *sums)
{
	printf("%s %lu %lu %lu %lu %lu\n", what, sums->ranges, sums->pages, sums->present,
	       sums->zero, sums->swapped);
}

int main(void)
{
	int nth = 0;
	char *a;

	CHECK(pagemap = open("/proc/self/pagemap", O_RDONLY));
	a = map(place(nth, 0), 2);
	touch(a, 1, 1);
	(void)*(volatile char *)(a + PAGE);
	read_pages(a + PAGE, 1);
	zero_frame = frame(entries[0]);
	memset(entries, 1, sizeof(entries));

	// Nobody beside it: some of its pages, a part of it, all, none any more, pages that are only read, and pages
	// that nobody may access.
	nth++;
	move(touch(map(place(nth, 0), 64), 64, 5), 64, place(nth, 1000));
	nth++;
	a = touch(map(place(nth, 0), 64), 64, 3);
	move(a + 7 * PAGE, 20, place(nth, 1000));
	nth++;
	move(touch(map(place(nth, 0), 1500), 1500, 1), 1500, place(nth, 3000));
	nth++;
	a = touch(map(place(nth, 0), 16), 16, 1);
	CHECK(madvise(a, 16 * PAGE, MADV_DONTNEED));
	move(a, 16, place(nth, 1000));
	nth++;
	a = touch(map(place(nth, 0), 16), 6, 1);
	for (int i = 6; i < 11; i++)
		(void)*(volatile char *)(a + i * PAGE);
	move(a, 16, place(nth, 1000));
	nth++;
	a = touch(map(place(nth, 0), 16), 16, 2);
	CHECK(mprotect(a, 16 * PAGE, PROT_NONE));
	move(a, 16, place(nth, 1000));

	// Huge pages, if there are any: whole, in part, and unaccessible.
	nth++;
	a = map(place(nth, 0), 1024);
	madvise(a, 1024 * PAGE, MADV_HUGEPAGE);
	touch(a, 1024, 1);
	move(a, 1024, place(nth, 4096));
	nth++;
	a = map(place(nth, 0), 1024);
	madvise(a, 1024 * PAGE, MADV_HUGEPAGE);
	touch(a, 1024, 1);
	move(a + 100 * PAGE, 700, place(nth, 4096));
	nth++;
	a = map(place(nth, 0), 1024);
	madvise(a, 1024 * PAGE, MADV_HUGEPAGE);
	touch(a, 1024, 1);
	CHECK(mprotect(a, 1024 * PAGE, PROT_NONE));
	move(a, 1024, place(nth, 4096));

	// Swapped out, as far as anything is swapped to.
	nth++;
	a = touch(map(place(nth, 0), 64), 40, 1);
	madvise(a, 30 * PAGE, MADV_PAGEOUT);
	move(a, 64, place(nth, 1000));

	// A few pages at the ends of much memory.
	nth++;
	a = map(place(nth, 0), 1 << 18);
	touch(a, 3, 1);
	touch(a + (1 << 17) * PAGE, 2, 1);
	touch(a + ((1 << 18) - 1) * PAGE, 1, 1);
	move(a, 1 << 18, place(nth, 1 << 19));

	// Beside touched memory, with which it does not merge.
	nth++;
	touch(map(place(nth, 0), 8), 8, 1);
	a = touch(map(place(nth, 1000), 64), 64, 7);
	count(&absorbed, a, 64);
	move(a, 64, place(nth, 8));

	// Longer at its new place, which it begins without a page.
	nth++;
	a = touch(map(place(nth, 0), 32), 32, 2);
	map(place(nth, 32), 1);
	count(&moved, a, 32);
	count(&updated, a, 32);
	CHECK(mremap(a, 32 * PAGE, 48 * PAGE, MREMAP_MAYMOVE));

	// Two that differ in a flag when they are touched, and then do not: all of it, and a part.
	for (int part = 0; part < 2; part++) {
		nth++;
		map(place(nth, 0), 20);
		a = place(nth, 4);
		CHECK(madvise(a, 16 * PAGE, MADV_DONTDUMP));
		touch(place(nth, 0), 4, 1);
		touch(a, 16, 3);
		count(&absorbed, a, part ? 7 : 16);
		count(&updated, a, part ? 7 : 16);
		CHECK(madvise(a, (part ? 7 : 16) * PAGE, MADV_DODUMP));
	}

	// What is not touched, between two that are touched and differ: it joins the one before it, and the other stays.
	nth++;
	map(place(nth, 0), 20);
	CHECK(mprotect(place(nth, 4), 4 * PAGE, PROT_NONE));
	a = place(nth, 8);
	touch(place(nth, 0), 4, 1);
	touch(a, 12, 5);
	count(&absorbed, a, 12);
	count(&updated, a, 12);
	CHECK(mprotect(place(nth, 4), 4 * PAGE, RW));

	// A hole between two that are alike: which of them is absorbed depends on the kernel.
	nth++;
	touch(map(place(nth, 0), 8), 8, 3);
	a = touch(map(place(nth, 12), 8), 8, 3);
	count(&absorbed, a, 8);
	count(&updated, a, 8);
	map(place(nth, 8), 4);

	print("moved", &moved);
	print("absorbed", &absorbed);
	print("updated", &updated);
	return 0;
}
