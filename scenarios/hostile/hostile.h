// What the hostile programs share: missed merges with a call stack of their choice. An observer must come to no harm by
// them.
#ifndef HOSTILE_H
#define HOSTILE_H

#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// A frame as the kernel's walk sees it.
struct frame {
	struct frame *caller;
	uintptr_t returns_to;
};

// Maps a page beside one that may do something else, which the kernel does not merge, with `frames` as
// the callers.
__attribute__((noinline, unused)) static void miss_from(struct frame *frames)
{
	static char *at;
	register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	register long fd __asm__("r8") = -1;
	register long offset __asm__("r9") = 0;
	long result = SYS_mmap;

	if (!at) {
		at = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED || munmap(at, 1 << 20))
			err(1, "mmap");
		at += 1 << 19;
		mmap(at - 4096, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	munmap(at, 4096);
	__asm__ volatile("push %%rbp\n\tmov %1, %%rbp\n\tsyscall\n\tpop %%rbp"
			 : "+a"(result)
			 : "r"(frames), "D"(at), "S"(4096L), "d"((long)PROT_READ), "r"(flags),
			   "r"(fd), "r"(offset)
			 : "rcx", "r11", "memory");
}

// A stack of one caller, at an address of our choice.
static inline void miss_at(uintptr_t address)
{
	struct frame frame = { NULL, address };

	miss_from(&frame);
}

// A call that is refused, with `frames` as the callers.
__attribute__((noinline, unused)) static void refused_from(struct frame *frames)
{
	register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS;
	register long fd __asm__("r8") = -1;
	register long offset __asm__("r9") = 0;
	long result = SYS_mmap;

	__asm__ volatile("push %%rbp\n\tmov %1, %%rbp\n\tsyscall\n\tpop %%rbp"
			 : "+a"(result)
			 : "r"(frames), "D"(0L), "S"(1L << 46), "d"((long)(PROT_READ | PROT_WRITE)),
			   "r"(flags), "r"(fd), "r"(offset)
			 : "rcx", "r11", "memory");
}

static inline void refused_at(uintptr_t address)
{
	struct frame frame = { NULL, address };

	refused_from(&frame);
}

// Maps a part of a file as code.
static inline char *map_code(const char *path, size_t size)
{
	int fd = open(path, O_RDONLY);
	char *at;

	if (fd < 0)
		err(1, "%s", path);
	at = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mapping %s", path);
	close(fd);
	return at;
}

// An ELF file being made.
struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr segment;
	Elf64_Shdr sections[32];
	char names[1024];
	size_t names_size;
	int count;
};

static inline struct elf elf_new(void)
{
	struct elf e = {
		.head = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_DYN,
			.e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_ehsize = sizeof(Elf64_Ehdr),
			.e_phoff = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
			.e_shentsize = sizeof(Elf64_Shdr),
		},
		.segment = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 4096, .p_memsz = 4096 },
		.names_size = 1, .count = 1,
	};
	return e;
}

static inline Elf64_Shdr *elf_section(struct elf *e, const char *name, unsigned type,
				      uint64_t offset, uint64_t size)
{
	Elf64_Shdr *section = &e->sections[e->count++];

	section->sh_name = (unsigned)e->names_size;
	section->sh_type = type;
	section->sh_offset = offset;
	section->sh_size = size;
	section->sh_addralign = 4;
	strcpy(e->names + e->names_size, name);
	e->names_size += strlen(name) + 1;
	return section;
}

// Its headers: 4096 bytes at the start, the rest behind `end`.
static inline void elf_write(struct elf *e, int fd, uint64_t end)
{
	Elf64_Shdr *names = elf_section(e, ".shstrtab", SHT_STRTAB, end, 0);

	names->sh_size = e->names_size;
	e->head.e_shoff = end + sizeof(e->names);
	e->head.e_shnum = (uint16_t)e->count;
	e->head.e_shstrndx = (uint16_t)(e->count - 1);
	if (pwrite(fd, &e->head, sizeof(e->head), 0) < 0 ||
	    pwrite(fd, &e->segment, sizeof(e->segment), sizeof(e->head)) < 0 ||
	    pwrite(fd, e->names, sizeof(e->names), (off_t)end) < 0 ||
	    pwrite(fd, e->sections, sizeof(*e->sections) * (size_t)e->count,
		   (off_t)e->head.e_shoff) < 0)
		err(1, "writing");
}

static inline int create(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

#endif
