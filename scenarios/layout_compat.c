// nothing missed
//
// 32-bit syscalls have other numbers for the same operations.
#include "scenario.h"

#define LOW ((char *)0x20000000)
#define NR_MUNMAP_32 91
#define NR_MPROTECT_32 125

static void call_32(long number, char *at, long length, long argument)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(at), "c"(length), "d"(argument)
			 : "memory");
	if ((int)result < 0) {
		errno = -(int)result;
		die("int 0x80");
	}
}

int main(void)
{
	open_area();
	CHECK(mmap(LOW, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	call_32(NR_MUNMAP_32, LOW + PAGE, PAGE, 0);
	call_32(NR_MPROTECT_32, LOW + 2 * PAGE, PAGE, R);
	return 0;
}
