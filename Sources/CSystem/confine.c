#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

// Debian 12's headers have these numbers, older ones need not.
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define NOBODY 65534

// A filter of system calls: a call that the list does not name fails with EPERM.
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ALLOW(name) IS(SYS_##name, 0, 1), ANSWER(SECCOMP_RET_ALLOW)
// The call is allowed if the low half of an argument has none of these bits.
#define WITHOUT(name, argument, bits)                             \
	IS(SYS_##name, 0, 4), LOAD(args[argument]),               \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1), \
		ANSWER(SECCOMP_RET_ERRNO | EPERM), ANSWER(SECCOMP_RET_ALLOW)
// Memory of this process alone, which can't be executed.
#define PRIVATE_MMAP                                                                              \
	IS(SYS_mmap, 0, 6), LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 2, 0), \
		LOAD(args[3]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1),            \
		ANSWER(SECCOMP_RET_ERRNO | EPERM), ANSWER(SECCOMP_RET_ALLOW)
// What asks about a descriptor, or copies it: other commands send signals, or lock files of others.
#define LOOKING_FCNTL                                                                     \
	IS(SYS_fcntl, 0, 7), LOAD(args[1]), IS(F_DUPFD_CLOEXEC, 3, 0), IS(F_DUPFD, 2, 0), \
		IS(F_GETFD, 1, 0), IS(F_GETFL, 0, 1), ANSWER(SECCOMP_RET_ALLOW),          \
		ANSWER(SECCOMP_RET_ERRNO | EPERM)
// Opening to read what is there.
#define READING_OPENAT \
	WITHOUT(openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
#define ONLY_HERE                                                                            \
	LOAD(arch), IS(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS), LOAD(nr), \
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),                       \
		ANSWER(SECCOMP_RET_ERRNO | EPERM)
// Memory that can't be executed; messages; descriptors that are open already.
#define COMMON                                                                                    \
	ALLOW(read), ALLOW(pread64), ALLOW(close), ALLOW(lseek), ALLOW(fstat), ALLOW(newfstatat), \
		ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(poll), LOOKING_FCNTL, ALLOW(munmap),        \
		ALLOW(mremap), ALLOW(brk), ALLOW(madvise), ALLOW(futex), ALLOW(clock_gettime),    \
		ALLOW(getrandom), ALLOW(getpid), ALLOW(gettid), ALLOW(rt_sigprocmask),            \
		ALLOW(rt_sigaction), ALLOW(rt_sigreturn), ALLOW(exit), ALLOW(exit_group),         \
		WITHOUT(mprotect, 2, PROT_EXEC)

static int filter(const struct sock_filter *code, unsigned short length)
{
	struct sock_fprog program = { length, (struct sock_filter *)code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
			       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
		       ? VMS_REFUSED_FILTER
		       : 0;
}

// A limit that is lower already can't be raised without CAP_SYS_RESOURCE, and stays.
static int limit(int resource, rlim_t value)
{
	struct rlimit both;

	if (getrlimit(resource, &both))
		return VMS_REFUSED_LIMITS;
	if (value > both.rlim_max)
		value = both.rlim_max;
	both.rlim_cur = both.rlim_max = value;
	return setrlimit(resource, &both) ? VMS_REFUSED_LIMITS : 0;
}

static bool has(uint64_t capabilities, int which)
{
	return capabilities >> which & 1;
}

static int read_capabilities(struct __user_cap_data_struct sets[2])
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

	return syscall(SYS_capget, &head, sets) ? VMS_REFUSED_CAPABILITIES : 0;
}

// Keeps those of the process's capabilities that are in `wanted`, all of them effective.
static int keep(uint64_t wanted)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (read_capabilities(sets))
		return VMS_REFUSED_CAPABILITIES;
	for (int half = 0; half < 2; half++) {
		sets[half].permitted &= (uint32_t)(wanted >> 32 * half);
		sets[half].effective = sets[half].permitted;
		sets[half].inheritable = 0;
	}
	return syscall(SYS_capset, &head, sets) ? VMS_REFUSED_CAPABILITIES : 0;
}

// Becomes a user that no other process has: another process of the same user could send signals. No account
// and no range of subordinate ids begins at 0x70000000, and systemd leaves the next 7 << 16 ids unused, too.
// Where a user namespace has no such id, it becomes nobody. Each part that is refused is left out, as without
// CAP_SETGID or CAP_SETUID: the rest of the confinement does not rest on it.
static void become_nobody(void)
{
	uint32_t own = 0;

	setgroups(0, NULL);
	if (getrandom(&own, sizeof(own), 0) == sizeof(own)) {
		own = VMS_FIRST_OWN_USER + own % VMS_OWN_USERS;
		if (setresgid(own, own, own))
			setresgid(NOBODY, NOBODY, NOBODY);
		if (!setresuid(own, own, own))
			return;
	}
	setresuid(NOBODY, NOBODY, NOBODY);
}

// What ends the confinement of each helper.
static int shut(uint64_t memory, uint64_t files, bool is_single, const struct sock_filter *code,
		unsigned short length)
{
	// No other process of this user may inspect or trace it.
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return VMS_REFUSED_PROCESS;
	if (limit(RLIMIT_AS, memory) || limit(RLIMIT_CORE, 0) || limit(RLIMIT_FSIZE, 0) ||
	    limit(RLIMIT_NOFILE, files) || (is_single && limit(RLIMIT_NPROC, 0)) ||
	    limit(RLIMIT_CPU, 600))
		return VMS_REFUSED_LIMITS;
	return filter(code, length);
}

int vms_confine_reader(uint64_t memory, uint64_t files)
{
	static const struct sock_filter code[] = {
		ONLY_HERE,
		COMMON,
		PRIVATE_MMAP,
		ALLOW(setitimer),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};

	become_nobody();
	if (keep(0))
		return VMS_REFUSED_CAPABILITIES;
	return shut(memory, files, true, code, sizeof(code) / sizeof(*code));
}

// Becomes a user of its own, and keeps those of its capabilities that are in `wanted`. Root's user has root's files,
// which it can write to without any capability. Where vmascope itself lacks the one that is `needed` to read others'
// files, as root of a container, root's user is all that leads to root's: it stays, and only the filter keeps it
// from writing.
static int confine(uint64_t wanted, uint64_t needed, const struct sock_filter *code,
		   unsigned short length)
{
	struct __user_cap_data_struct sets[2];
	uint64_t mine;

	if (read_capabilities(sets))
		return VMS_REFUSED_CAPABILITIES;
	mine = sets[0].permitted | (uint64_t)sets[1].permitted << 32;
	if ((mine & needed) == needed && has(mine, CAP_SETUID)) {
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
		become_nobody();
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	}
	if (keep(wanted))
		return VMS_REFUSED_CAPABILITIES;
	return shut(1ULL << 30, 64, false, code, length);
}

int vms_confine_opener(void)
{
	static const struct sock_filter code[] = {
		ONLY_HERE,       COMMON,          READING_OPENAT,
		PRIVATE_MMAP,    ALLOW(readlink), ALLOW(readlinkat),
		ALLOW(getxattr), ALLOW(fstatfs),  ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};

	const uint64_t needed = 1ULL << CAP_DAC_READ_SEARCH;

	return confine(needed | 1ULL << CAP_SYS_PTRACE | 1ULL << CAP_CHECKPOINT_RESTORE, needed,
		       code, sizeof(code) / sizeof(*code));
}

int vms_confine_proc_reader(void)
{
	static const struct sock_filter code[] = {
		ONLY_HERE, COMMON, READING_OPENAT, PRIVATE_MMAP, ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};

	// Without CAP_SYS_PTRACE root's user leads to no process that has any capability.
	return confine(1ULL << CAP_SYS_PTRACE, 0, code, sizeof(code) / sizeof(*code));
}
