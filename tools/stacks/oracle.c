// Stops a command and its children at the system calls that change VMAs, and writes down what a sampler would
// have at hand there (registers, executable mappings, the top of the stack, the frame-pointer chain) and beside
// it the whole call stack as libdw of elfutils finds it, which reads the memory of the process itself. Where code
// changes stacks, or was made by QEMU, libdw is told where to go on: by what Go's runtime keeps of a goroutine (type
// gobuf), and by the frame that QEMU gives all of its generated code (tcg_target_qemu_prologue).
//
//   oracle FILE STOPS BYTES COMMAND [ARGUMENT…]
//
// FILE gets at most STOPS different stacks, each with at most BYTES of stack. Needs libdw-dev; compile with -ldw.
#define _GNU_SOURCE
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_FRAMES = 2048, MOST_PROCESSES = 4096, MOST_SEEN = 1 << 20 };

static FILE *out;
static long stops_left;
static size_t copy_size;
static char *copy;

static void put(const void *data, size_t size)
{
	fwrite(data, 1, size, out);
}
static void put_number(uint64_t value)
{
	put(&value, sizeof value);
}
static void put_text(const char *text)
{
	put_number(strlen(text));
	put(text, strlen(text));
}

static size_t read_memory(pid_t pid, uint64_t address, void *to, size_t size)
{
	size_t done = 0;
	while (done < size) {
		// Page by page: a whole read fails where the last page is missing.
		size_t part = 4096 - ((address + done) & 4095);
		if (part > size - done)
			part = size - done;
		struct iovec here = { (char *)to + done, part },
			     there = { (void *)(address + done), part };
		if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)part)
			break;
		done += part;
	}
	return done;
}

// The reference.

static const Dwfl_Callbacks callbacks = { .find_elf = dwfl_linux_proc_find_elf,
					  .find_debuginfo = dwfl_standard_find_debuginfo };

static struct process {
	pid_t tgid;
	Dwfl *dwfl;
} processes[MOST_PROCESSES];

enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, R13, R14, R15, RIP, REGISTERS };  // their DWARF numbers

static struct {
	uint64_t address;
	bool is_exact;
	uint64_t stack;  // rsp; 0 if libdw does not know it
} frames[MOST_FRAMES];
static size_t frame_count;
static const char *failure;
// Where the next walk begins.
static Dwarf_Word start[REGISTERS];

static int on_frame(Dwfl_Frame *state, void *context)
{
	(void)context;
	Dwarf_Addr pc;
	bool exact;
	if (!dwfl_frame_pc(state, &pc, &exact))
		return DWARF_CB_ABORT;
	if (frame_count == MOST_FRAMES)
		return DWARF_CB_ABORT;
	Dwarf_Word stack;
	frames[frame_count].stack = dwfl_frame_reg(state, RSP, &stack) == 0 ? stack : 0;
	frames[frame_count].address = pc;
	frames[frame_count++].is_exact = exact;
	return DWARF_CB_OK;
}

static pid_t group_of(pid_t tid)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	FILE *status = fopen(path, "r");
	int tgid = tid;
	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	if (status)
		fclose(status);
	return tgid;
}

static void forget(pid_t tgid)
{
	for (int i = 0; i < MOST_PROCESSES; i++)
		if (processes[i].tgid == tgid) {
			dwfl_end(processes[i].dwfl);
			processes[i] = (struct process){ 0 };
		}
}

static Dwfl *dwfl_of(pid_t tgid)
{
	struct process *free_one = NULL;
	for (int i = 0; i < MOST_PROCESSES; i++) {
		if (processes[i].tgid == tgid)
			return processes[i].dwfl;
		if (!processes[i].tgid && !free_one)
			free_one = &processes[i];
	}
	Dwfl *dwfl = free_one ? dwfl_begin(&callbacks) : NULL;
	if (dwfl)
		*free_one = (struct process){ tgid, dwfl };
	return dwfl;
}

static pid_t next_thread(Dwfl *dwfl, void *context, void **of_thread)
{
	pid_t before = *of_thread ? 0 : dwfl_pid(dwfl);
	*of_thread = context;
	return before;
}

static bool this_thread(Dwfl *dwfl, pid_t tid, void *context, void **of_thread)
{
	(void)dwfl, (void)tid;
	*of_thread = context;
	return true;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *to, void *context)
{
	(void)context;
	return read_memory(dwfl_pid(dwfl), address, to, sizeof *to) == sizeof *to;
}

static bool start_registers(Dwfl_Thread *thread, void *context)
{
	(void)context;
	return dwfl_thread_state_registers(thread, 0, REGISTERS, start);
}

static const Dwfl_Thread_Callbacks thread_callbacks = { .next_thread = next_thread,
							.get_thread = this_thread,
							.memory_read = read_word,
							.set_initial_registers = start_registers };

// Adds the frames from `start` on.
static void walk(Dwfl *dwfl, pid_t tid)
{
	failure = "";
	if (dwfl_getthread_frames(dwfl, tid, on_frame, NULL) != 0)
		failure = dwfl_errmsg(-1);
}

// The first frame is where a call returns to: its rules are those of the call.
static void walk_from_call(Dwfl *dwfl, pid_t tid)
{
	size_t first = frame_count;
	start[RIP]--;
	walk(dwfl, tid);
	if (frame_count > first) {
		frames[first].address++;
		frames[first].is_exact = false;
	}
}

static const char *name_of(Dwfl *dwfl, size_t index)
{
	uint64_t address = frames[index].address - !frames[index].is_exact;
	Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
	GElf_Off offset;
	GElf_Sym symbol;
	const char *name =
		module ? dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL)
		       : NULL;
	return name ? name : "";
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static uint64_t word_at(pid_t pid, uint64_t address)
{
	uint64_t word;
	return read_memory(pid, address, &word, sizeof word) == sizeof word ? word : 0;
}

// Go on the thread's stack (g0): sets `start` to the goroutine that has changed to it. Offsets are those of Go 1.18 to
// 1.22, and checked by what points back.
static bool find_goroutine(pid_t pid, uint64_t thread_pointer, bool in_morestack)
{
	uint64_t g0 = word_at(pid, thread_pointer - 8), m = word_at(pid, g0 + 48);
	uint64_t g = word_at(pid, m + 192), sched = g + 56;
	if (!g || g == g0 || word_at(pid, m) != g0 || word_at(pid, g + 48) != m)
		return false;
	uint64_t stack = word_at(pid, sched);
	memset(start, 0, sizeof start);
	start[RBP] = word_at(pid, sched + 48);
	// gosave_systemstack_switch keeps the stack pointer at the return address, and morestack that and the one above it.
	start[RIP] = in_morestack ? word_at(pid, sched + 8) : word_at(pid, stack);
	start[RSP] = in_morestack ? stack : stack + 8;
	return start[RIP] != 0;
}

// Code that QEMU has made, in a frame of always the same size: six saved registers, room for arguments and for
// temporary values.
static bool leave_generated(pid_t pid, uint64_t stack)
{
	enum { SAVED = 7 * 8, FRAME = (SAVED + 128 + 128 * 8 + 15) & ~15 };
	static const int order[] = { RBP, RBX, R12, R13, R14, R15 };
	memset(start, 0, sizeof start);
	start[RSP] = stack + FRAME;
	start[RIP] = word_at(pid, start[RSP] - 8);
	for (int i = 0; i < 6; i++)
		start[order[i]] = word_at(pid, start[RSP] - 16 - 8 * i);
	return start[RIP] != 0;
}

// Whether the frame's file has call-frame information for it.
static bool has_rules(Dwfl *dwfl, size_t index)
{
	uint64_t address = frames[index].address - !frames[index].is_exact;
	Dwfl_Module *module = dwfl_addrmodule(dwfl, address);
	Dwarf_Addr bias;
	Dwarf_CFI *all[2] = { dwfl_module_eh_cfi(module, &bias), NULL };
	for (int i = 0; i < 2; i++) {
		Dwarf_Frame *frame = NULL;
		if (i)
			all[i] = dwfl_module_dwarf_cfi(module, &bias);
		if (all[i] && dwarf_cfi_addrframe(all[i], address - bias, &frame) == 0) {
			free(frame);
			return true;
		}
	}
	return false;
}

// Whether the frame's file is a Go program, whose linker leaves functions of C without tables.
static bool is_of_go(Dwfl *dwfl, size_t index)
{
	Dwfl_Module *module =
		dwfl_addrmodule(dwfl, frames[index].address - !frames[index].is_exact);
	Dwarf_Addr bias;
	Elf *elf = module ? dwfl_module_getelf(module, &bias) : NULL;
	size_t names;
	if (!elf || elf_getshdrstrndx(elf, &names) != 0)
		return false;
	for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
		GElf_Shdr header;
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;
		if (name && strcmp(name, ".gopclntab") == 0)
			return true;
	}
	return false;
}

static bool is_qemu;

static bool is_of_file(pid_t pid, uint64_t address)
{
	char path[64], line[8192];
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "r");
	bool is = true;
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long first, end;
		if (sscanf(line, "%lx-%lx", &first, &end) == 2 && address >= first && address < end)
			is = strchr(line, '/') || strchr(line, '[');
	}
	if (maps)
		fclose(maps);
	return is;
}

static void go_on(Dwfl *dwfl, pid_t tgid, pid_t tid, uint64_t thread_pointer)
{
	bool scheduled = false;
	for (size_t i = 0; i < frame_count; i++) {
		const char *name = name_of(dwfl, i);
		// It forgets who called it.
		if (begins(name, "runtime.mcall")) {
			frame_count = i + 1;
			failure = "";
			return;
		}
		bool in_morestack = begins(name, "runtime.morestack");
		if (begins(name, "runtime.schedule"))
			scheduled = true;
		// The goroutine that was preempted there has not called the scheduler.
		if (in_morestack && scheduled) {
			frame_count = i + 1;
			failure = "";
			return;
		}
		if (in_morestack || begins(name, "runtime.systemstack") ||
		    begins(name, "runtime.asmcgocall")) {
			frame_count = i + 1;
			if (find_goroutine(tgid, thread_pointer, in_morestack)) {
				walk_from_call(dwfl, tid);
			} else {
				failure = "no goroutine";
			}
			return;
		}
		// Libdw goes on by rbp, whatever that is.
		if (i + 1 < frame_count && is_of_go(dwfl, i) && !has_rules(dwfl, i)) {
			frame_count = i + 1;
			failure = "a function without tables";
			return;
		}
		if (is_qemu && i > 0 && frames[i].stack && !is_of_file(tgid, frames[i].address)) {
			frame_count = i + 1;
			if (leave_generated(tgid, frames[i].stack))
				walk_from_call(dwfl, tid);
			return;
		}
	}
}

static bool ask(pid_t tgid, pid_t tid, const struct user_regs_struct *registers)
{
	frame_count = 0;
	failure = "";
	Dwfl *dwfl = dwfl_of(tgid);
	if (!dwfl)
		return false;
	dwfl_report_begin(dwfl);
	if (dwfl_linux_proc_report(dwfl, tgid) != 0 || dwfl_report_end(dwfl, NULL, NULL) != 0)
		return false;
	if (!dwfl_pid(dwfl) || dwfl_pid(dwfl) == -1)
		dwfl_attach_state(dwfl, NULL, tgid, &thread_callbacks, &processes);
	const Dwarf_Word all[REGISTERS] = { registers->rax, registers->rdx, registers->rcx,
					    registers->rbx, registers->rsi, registers->rdi,
					    registers->rbp, registers->rsp, registers->r8,
					    registers->r9,  registers->r10, registers->r11,
					    registers->r12, registers->r13, registers->r14,
					    registers->r15, registers->rip };
	memcpy(start, all, sizeof start);
	walk(dwfl, tid);
	go_on(dwfl, tgid, tid, registers->fs_base);
	return frame_count > 0;
}

// What a sampler has.

static size_t chain(pid_t pid, const struct user_regs_struct *registers, uint64_t *to, size_t most)
{
	uint64_t pointer = registers->rbp;
	size_t count = 0;
	to[count++] = registers->rip;
	while (count < most) {
		uint64_t frame[2];
		if (pointer % 8 || read_memory(pid, pointer, frame, sizeof frame) != sizeof frame)
			break;
		to[count++] = frame[1];
		pointer = frame[0];
	}
	return count;
}

// The part of another stack to which frame pointers lead, as bpf/read/paths.h copies it.
static void put_other(pid_t pid, const struct user_regs_struct *registers, size_t size)
{
	enum { BELOW = 2048, ALL = 12288, LINKS = 32 };
	uint64_t at = registers->rbp, sp = registers->rsp;
	static char bytes[ALL];
	size_t count = 0;
	for (int i = 0; i < LINKS && at > BELOW && at % 8 == 0; i++) {
		if (at - sp >= size) {
			at -= BELOW;
			count = read_memory(pid, at, bytes, ALL) / 8 * 8;
			break;
		}
		uint64_t next = word_at(pid, at);
		if (next - sp < size && next <= at)
			break;
		at = next;
	}
	put_number(at);
	put_number(count);
	put(bytes, count);
}

static void put_mappings(pid_t pid)
{
	char path[64], line[8192], name[4096];
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "r");
	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long start, end, offset;
		char access[8];
		*name = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095[^\n]", &start, &end, access,
			   &offset, name) < 4)
			continue;
		if (access[2] != 'x')
			continue;
		put_number(1);
		put_number(start);
		put_number(end);
		put_number(offset);
		put_text(name);
	}
	if (maps)
		fclose(maps);
	put_number(0);
}

static uint64_t seen[MOST_SEEN];

static bool is_new(pid_t tgid)
{
	uint64_t hash = 14695981039346656037u ^ (uint64_t)tgid;
	for (size_t i = 0; i < frame_count; i++)
		hash = (hash ^ frames[i].address) * 1099511628211u;
	for (size_t i = hash % MOST_SEEN;; i = (i + 1) % MOST_SEEN) {
		if (seen[i] == hash)
			return false;
		if (seen[i])
			continue;
		seen[i] = hash;
		return true;
	}
}

static bool changes_vmas(long number)
{
	switch (number) {
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_mremap:
	case SYS_brk:
	case SYS_madvise:
	case SYS_mlock:
	case SYS_munlock:
	case SYS_shmat:
	case SYS_shmdt:
	case SYS_mbind:
	case SYS_pkey_mprotect:
	case SYS_mlock2:
	case SYS_userfaultfd:
		return true;
	default:
		return false;
	}
}

static void stop(pid_t tid)
{
	struct user_regs_struct registers;
	if (ptrace(PTRACE_GETREGS, tid, 0, &registers) != 0 ||
	    !changes_vmas((long)registers.orig_rax))
		return;
	pid_t tgid = group_of(tid);
	if (!ask(tgid, tid, &registers) || !is_new(tgid))
		return;
	stops_left--;
	put_number(0x706f7473);  // "stop"
	put_number(tgid);
	put_number(registers.orig_rax);
	uint64_t values[] = { registers.rax, registers.rdx, registers.rcx, registers.rbx,
			      registers.rsi, registers.rdi, registers.rbp, registers.rsp,
			      registers.r8,  registers.r9,  registers.r10, registers.r11,
			      registers.r12, registers.r13, registers.r14, registers.r15,
			      registers.rip };
	put(values, sizeof values);
	put_mappings(tgid);
	uint64_t links[128];
	size_t count = chain(tgid, &registers, links, 127);
	put_number(count);
	put(links, count * sizeof *links);
	size_t size = read_memory(tgid, registers.rsp, copy, copy_size);
	put_number(size);
	put(copy, size);
	put_other(tgid, &registers, size);
	put_text(failure ? failure : "");
	put_number(frame_count);
	for (size_t i = 0; i < frame_count; i++) {
		put_number(frames[i].address);
		put_number(frames[i].is_exact);
		put_text(name_of(dwfl_of(tgid), i));
	}
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return fprintf(stderr, "usage: %s FILE STOPS BYTES COMMAND [ARGUMENT...]\n", *argv),
		       64;
	out = fopen(argv[1], "w");
	stops_left = atol(argv[2]);
	copy_size = (size_t)atol(argv[3]);
	is_qemu = strstr(argv[4], "qemu") != NULL;
	copy = malloc(copy_size);
	if (!out || !copy)
		return perror(argv[1]), 74;
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[4], argv + 4);
		perror(argv[4]);
		_exit(127);
	}
	int status;
	waitpid(child, &status, 0);
	// The parent's death ends all of them.
	ptrace(PTRACE_SETOPTIONS, child, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
		       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, child, 0, 0);
	static unsigned char inside[1 << 22];  // by thread: between entry and exit of a system call
	int result = 0;
	while (stops_left > 0) {
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid < 0)
			break;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			inside[tid] = 0;
			forget(tid);
			if (tid == child)
				result = WIFEXITED(status) ? WEXITSTATUS(status)
							   : 128 + WTERMSIG(status);
			continue;
		}
		int signal = WSTOPSIG(status), event = status >> 16;
		if (signal == (SIGTRAP | 0x80)) {
			inside[tid] ^= 1;
			if (inside[tid])
				stop(tid);
			signal = 0;
		} else if (event == PTRACE_EVENT_EXEC) {
			forget(tid);
			signal = 0;
		} else if (event || signal == SIGSTOP || signal == SIGTRAP) {
			signal = 0;
		}
		ptrace(PTRACE_SYSCALL, tid, 0, signal);
	}
	fclose(out);
	return result;
}
