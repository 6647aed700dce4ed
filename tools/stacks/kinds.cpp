// Maps memory from the kinds of frames that compilers make: for tools/stacks/compare, and for the tests.
#include <alloca.h>
#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#define APART __attribute__((noinline))

static volatile int sink;

APART static void map_one(size_t size)
{
	void *memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory, size, PROT_READ | PROT_WRITE);
	*(volatile char *)memory = 1;
	munmap(memory, size);
	sink++;
}

// Frames whose size is known at run time only, and such as are aligned.
APART static void with_alloca(int size)
{
	char *memory = (char *)alloca(size);
	memset(memory, size, size);
	map_one(4096);
	sink += memory[size / 2];
}
APART static void with_vla(int size)
{
	int memory[size];
	for (int i = 0; i < size; i++) memory[i] = i;
	map_one(8192);
	sink += memory[size - 1];
}
APART static void aligned(int n)
{
	alignas(64) char memory[256];
	memset(memory, n, sizeof memory);
	map_one(4096);
	sink += memory[n];
}
APART static void aligned_with_vla(int n)
{
	alignas(128) char memory[128];
	int more[n];
	more[0] = n;
	memset(memory, n, 128);
	map_one(4096);
	sink += more[0] + memory[n & 127];
}
APART static void large()
{
	char memory[20000];
	memset(memory, sink, sizeof memory);
	map_one(4096);
	sink += memory[sink % 20000];
}
APART static void arguments(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
	map_one(4096);
	sink += a + b + c + d + e + f + g + h + i;
}
APART static double floats(double x)
{
	double y = x * 1.5;
	map_one(4096);
	return y * x;
}
APART static void recurse(int depth)
{
	if (depth) recurse(depth - 1);
	else map_one(4096);
	sink++;
}
APART static long tail(long n)
{
	map_one(4096);
	return n;
}
APART static long calls_tail(long n)
{
	sink++;
	return tail(n + 1);
}

// Signals, also on another stack.
static void on_signal(int) { map_one(4096); }
static void on_more(int, siginfo_t *, void *) { with_vla(10); }
static void on_fault(int, siginfo_t *info, void *)
{
	map_one(4096);
	mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}
APART static void signals()
{
	struct sigaction action = {};
	signal(SIGUSR1, on_signal);
	action.sa_sigaction = on_more;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR2, &action, nullptr);
	raise(SIGUSR1);
	raise(SIGUSR2);
	kill(getpid(), SIGUSR1);
	stack_t other = {};
	other.ss_size = 65536;
	other.ss_sp = malloc(other.ss_size);
	sigaltstack(&other, nullptr);
	action.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &action, nullptr);
	char *memory = (char *)mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory[100] = 1;
	action.sa_flags |= SA_ONSTACK;
	sigaction(SIGSEGV, &action, nullptr);
	memory[5000] = 1;
}

// Exceptions.
struct Cleaner {
	~Cleaner() { map_one(4096); }
};
APART static void throws(int depth)
{
	Cleaner cleaner;
	if (depth > 3) throw std::runtime_error("x" + std::to_string(depth));
	throws(depth + 1);
}
APART static void exceptions()
{
	try {
		throws(0);
	} catch (const std::exception &error) {
		map_one(4096);
		sink += error.what()[0];
	}
}

// Control that goes elsewhere.
static ucontext_t home, fiber;
static char fiber_stack[1 << 16];
static jmp_buf place;
APART static void in_fiber()
{
	map_one(4096);
	swapcontext(&fiber, &home);
	recurse(2);
}
APART static void fibers()
{
	getcontext(&fiber);
	fiber.uc_stack.ss_sp = fiber_stack;
	fiber.uc_stack.ss_size = sizeof fiber_stack;
	fiber.uc_link = &home;
	makecontext(&fiber, in_fiber, 0);
	swapcontext(&home, &fiber);
	swapcontext(&home, &fiber);
}
APART static void jumps()
{
	if (!setjmp(place)) {
		map_one(4096);
		longjmp(place, 1);
	}
	map_one(8192);
}
APART static void raw() { syscall(SYS_mmap, 0, 4096, 1, 0x22, -1, 0); }
static int order(const void *a, const void *b)
{
	map_one(4096);
	return *(const int *)a - *(const int *)b;
}
APART static void callbacks()
{
	int numbers[] = {3, 1, 2};
	qsort(numbers, 3, sizeof *numbers, order);
	std::function<int(int)> function = [&](int x) {
		map_one(4096);
		return x + numbers[0];
	};
	sink += function(3);
	std::sort(numbers, numbers + 3, [](int x, int y) {
		map_one(4096);
		return x < y;
	});
}
struct Base {
	virtual void act() { map_one(4096); }
	virtual ~Base() { map_one(4096); }
};
struct Derived : Base {
	std::string text = std::string(200000, 'x');
	void act() override
	{
		map_one(4096);
		Base::act();
	}
};

APART static void *thread(void *argument)
{
	recurse(3);
	with_alloca(100);
	thread_local std::vector<char> own(200000);
	sink += own[5];
	void *memory = malloc(1 << 20);
	sink += memory != argument;
	free(memory);
	return argument;
}

int main()
{
	map_one(4096);
	with_alloca(1000);
	with_vla(100);
	aligned(5);
	aligned_with_vla(7);
	large();
	arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
	sink += floats(3);
	recurse(20);
	sink += calls_tail(2);
	signals();
	exceptions();
	callbacks();
	fibers();
	jumps();
	raw();
	Base *object = new Derived;
	object->act();
	delete object;
	pthread_t threads[3];
	for (auto &one : threads) pthread_create(&one, nullptr, thread, nullptr);
	for (auto &one : threads) pthread_join(one, nullptr);
	if (!fork()) {
		recurse(2);
		_exit(0);
	}
	if (!vfork()) {
		map_one(4096);
		_exit(0);
	}
}
