// What swift-argument-parser's asynchronous commands call. vmascope has none, so the static executable need not
// have Swift's concurrency and Dispatch, which are 0.6 MB. The Makefile defines VMASCOPE_STATIC for it alone. If
// something begins to use concurrency, its library defines these again, and linking fails.
#ifdef VMASCOPE_STATIC

#define ABSENT(number, symbol)                      \
	void absent_##number(void) __asm__(symbol); \
	void absent_##number(void)                  \
	{                                           \
		__builtin_trap();                   \
	}

ABSENT(1, "swift_task_alloc")
ABSENT(2, "swift_task_dealloc")
ABSENT(3, "swift_task_switch")
ABSENT(4, "swift_task_reportUnexpectedExecutor")
ABSENT(5, "swift_task_isCurrentExecutor")
// The main actor: its conformance to Actor, its metadata, its shared instance; and an actor's executor.
ABSENT(6, "$sScMScAsWP")
ABSENT(7, "$sScMMa")
ABSENT(8, "$sScM6sharedScMvgZ")
ABSENT(9, "$sScA15unownedExecutorScevgTj")

#endif
