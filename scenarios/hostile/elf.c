// Files that are mapped as code, and harm who reads their symbols: elf KIND FOLDER
//
//   debuglink   the debug file that it names has a pebibyte, all of it a hole
//   notes       twelve sections of notes over the same gibibyte, a hole
//   dynamic     the same for what a loader needs
//   sections    as many sections as there are numbers
//   nested      functions that all lie in each other
//   names       names of 64 KiB, of bytes that a terminal obeys
#include "hostile.h"

static void debuglink(struct elf *e, int fd, const char *folder)
{
	char path[512], link[16] = "big.debug\0\0\0";
	int big;

	memcpy(link + 12, "\1\2\3\4", 4);
	if (pwrite(fd, link, sizeof(link), 4096) < 0)
		err(1, "writing");
	elf_section(e, ".gnu_debuglink", SHT_PROGBITS, 4096, sizeof(link));
	snprintf(path, sizeof(path), "%s/big.debug", folder);
	big = create(path);
	// As much of it as the file system allows.
	for (off_t size = 1L << 50; size > 1L << 40 && ftruncate(big, size); size /= 2)
		;
	close(big);
}

static void same(struct elf *e, unsigned type)
{
	for (int i = 0; i < 12; i++)
		elf_section(e, ".note", type, 8192, 1UL << 30);
}

// `count` functions over one page.
static void functions(struct elf *e, int fd, int count, size_t length, int escapes)
{
	Elf64_Sym *symbols = calloc((size_t)count, sizeof(*symbols));
	size_t strings = 1 + (size_t)count * (length + 1);
	char *text = calloc(1, strings);
	uint64_t at = 8192;
	Elf64_Shdr *table;

	for (int i = 0; i < count; i++) {
		size_t name = 1 + (size_t)i * (length + 1);

		memset(text + name, 'a' + i % 26, length);
		if (escapes)
			memcpy(text + name, "\033[31m\n;", 7);
		symbols[i] = (Elf64_Sym){ (unsigned)name,
					  ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					  0,
					  1,
					  (uint64_t)i % 4096,
					  escapes ? 1 : 4096 };
	}
	table = elf_section(e, ".symtab", SHT_SYMTAB, at, (size_t)count * sizeof(*symbols));
	table->sh_entsize = sizeof(*symbols);
	table->sh_link = (unsigned)e->count;
	table->sh_addralign = 8;
	if (pwrite(fd, symbols, (size_t)count * sizeof(*symbols), (off_t)at) < 0)
		err(1, "writing");
	at += (size_t)count * sizeof(*symbols);
	elf_section(e, ".strtab", SHT_STRTAB, at, strings);
	if (pwrite(fd, text, strings, (off_t)at) < 0)
		err(1, "writing");
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "", *folder = argc > 2 ? argv[2] : ".";
	struct elf e = elf_new();
	char path[512], *code;
	uint64_t end = 16384;
	int fd;

	snprintf(path, sizeof(path), "%s/hostile.so", folder);
	fd = create(path);
	if (ftruncate(fd, 8192))
		err(1, "ftruncate");
	if (!strcmp(kind, "debuglink")) {
		debuglink(&e, fd, folder);
	} else if (!strcmp(kind, "notes") || !strcmp(kind, "dynamic")) {
		same(&e, kind[0] == 'n' ? SHT_NOTE : SHT_DYNAMIC);
		end = 8192 + (1UL << 30);
	} else if (!strcmp(kind, "sections")) {
		e.head.e_flags = 0;
	} else if (!strcmp(kind, "nested")) {
		functions(&e, fd, 400000, 8, 0);
		end = 64 << 20;
	} else if (!strcmp(kind, "names")) {
		functions(&e, fd, 256, 65535, 1);
		end = 64 << 20;
	} else {
		errx(64, "no such kind");
	}
	elf_write(&e, fd, end);
	if (!strcmp(kind, "sections")) {
		e.head.e_shnum = 0;
		e.sections[0].sh_size = 1UL << 32;
		if (pwrite(fd, &e.head, sizeof(e.head), 0) < 0 ||
		    pwrite(fd, e.sections, sizeof(*e.sections), (off_t)e.head.e_shoff) < 0 ||
		    ftruncate(fd, 1L << 40))
			err(1, "writing");
	}
	close(fd);
	code = map_code(path, 4096);
	// A name for each call; of nested functions an address in all of them.
	for (int i = 0; i < 64; i++)
		miss_at((uintptr_t)code + (strcmp(kind, "nested") ? 1 + (uintptr_t)i : 4000));
	return 0;
}
