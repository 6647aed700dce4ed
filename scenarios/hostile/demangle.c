// Functions with short mangled names that stand for texts without end: demangle FOLDER [c++|swift|rust]
#include "hostile.h"

// A template whose argument has the one before it twice, and so on.
static void cxx(char *name, int depth)
{
	char *at = name + sprintf(name, "_Z1fI");

	at += sprintf(at, "1AIiiE");
	for (int i = 0; i < depth; i++) {
		int number = 2 * i + 1;  // of the argument before, as substitutions are counted
		char digits[4] = { 0 };

		if (number >= 36)
			digits[0] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number / 36];
		digits[strlen(digits)] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 36];
		at += sprintf(at, "1AIS%s_S%s_E", digits, digits);
	}
	sprintf(at, "EvT_");
}

// Substitutions: each element of a tuple is the tuple before.
static void doubling(char *name, int depth)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char *at = name + sprintf(name, "_Z1fPFiiE");

	for (int i = 0; i < depth && i < 34; i++)
		at += sprintf(at, "PFS%c_S%c_E", digits[i * 2 % 36], digits[(i * 2 + 1) % 36]);
	(void)at;
}

static void swift(char *name, int depth)
{
	char *at = name + sprintf(name, "$s1a1fyy");

	at += sprintf(at, "Si_SitF");
	for (int i = 0; i < depth; i++)
		at += sprintf(at, "A%c_A%ct", 'a' + i % 26, 'A' + i % 26);
}

static void rust(char *name, int depth)
{
	char *at = name + sprintf(name, "_RIC1a");

	for (int i = 0; i < depth; i++)
		at += sprintf(at, "TB%c_B%c_E", '0' + i % 10, '0' + i % 10);
	sprintf(at, "E");
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".", *only = argc > 2 ? argv[2] : "";
	struct elf e = elf_new();
	char path[512], *code, *text = calloc(1, 1 << 20);
	Elf64_Sym symbols[256] = { 0 };
	size_t size = 1;
	int count = 0, fd;
	Elf64_Shdr *table;

	for (int depth = 4; depth < 60; depth += 4) {
		void (*const makers[])(char *, int) = { cxx, doubling, swift, rust };
		const char *const languages[] = { "c++", "c++", "swift", "rust" };

		for (int i = 0; i < 4; i++) {
			if (*only && strcmp(only, languages[i]))
				continue;
			makers[i](text + size, depth);
			symbols[count] = (Elf64_Sym){ (unsigned)size,
						      ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
						      0,
						      1,
						      (uint64_t)count * 8,
						      8 };
			size += strlen(text + size) + 1;
			count++;
		}
	}
	snprintf(path, sizeof(path), "%s/names.so", folder);
	fd = create(path);
	table = elf_section(&e, ".symtab", SHT_SYMTAB, 8192, (size_t)count * sizeof(*symbols));
	table->sh_entsize = sizeof(*symbols);
	table->sh_link = (unsigned)e.count;
	table->sh_addralign = 8;
	elf_section(&e, ".strtab", SHT_STRTAB, 65536, size);
	if (pwrite(fd, symbols, sizeof(symbols), 8192) < 0 || pwrite(fd, text, size, 65536) < 0)
		err(1, "writing");
	elf_write(&e, fd, 65536 + size);
	close(fd);
	code = map_code(path, 4096);
	for (int i = 0; i < count; i++)
		miss_at((uintptr_t)code + (uintptr_t)i * 8 + 4);
	return 0;
}
