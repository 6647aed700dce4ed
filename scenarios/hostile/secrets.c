// What would have an observer print names of a file that this process can't read, or of the wrong one:
// secrets KIND FOLDER, as root, whose file FOLDER/secret only root can read.
//
//   replaced   another library takes the place of the one that is mapped
//   overwritten  another library is written into the one that is mapped: the same inode, other content
//   reused     what was mapped has gone, and another library has its path, and perhaps its inode's number
//   link       a link to the secret takes that place
//   bind       the secret is mounted over a perf map, in namespaces of a user of no rank
//   chroot     its own root has an absolute link, past which the secret is a perf map
#include "hostile.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define USER 12345

// A library of one page of code, all of which is the function `name`.
static void library(const char *path, const char *name)
{
	struct elf e = elf_new();
	Elf64_Sym symbols[2] = { { 0 }, { 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0, 4096 } };
	char text[64] = { 0 };
	int fd = create(path);
	Elf64_Shdr *table;

	strcpy(text + 1, name);
	table = elf_section(&e, ".symtab", SHT_SYMTAB, 4096, sizeof(symbols));
	table->sh_entsize = sizeof(*symbols);
	table->sh_link = 2;
	table->sh_addralign = 8;
	elf_section(&e, ".strtab", SHT_STRTAB, 5000, sizeof(text));
	if (pwrite(fd, symbols, sizeof(symbols), 4096) < 0 ||
	    pwrite(fd, text, sizeof(text), 5000) < 0)
		err(1, "writing");
	elf_write(&e, fd, 8192);
	close(fd);
}

static void misses(uintptr_t at)
{
	for (int i = 1; i < 9; i++)
		miss_at(at + (uintptr_t)i);
	usleep(300000);  // the observer looks, and finds us
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

static void perf_map(const char *kind, const char *folder, const char *secret)
{
	char *code = mmap((void *)0x700000000000, 4096, PROT_READ | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char map[128], ids[64];
	int fd = create(secret);

	dprintf(fd, "700000000000 1000 secret\n");
	fchmod(fd, 0600);
	close(fd);
	if (!strcmp(kind, "chroot")) {
		char real[300], named[400];

		snprintf(real, sizeof(real), "%s/real", folder);
		snprintf(named, sizeof(named), "%s/perf-%d.map", real, getpid());
		snprintf(map, sizeof(map), "%s/tmp", folder);
		if (mkdir(real, 0700) || rename(secret, named) || symlink(real, map) ||
		    chroot(folder) || chdir("/") || setresuid(USER, USER, USER))
			err(1, "chroot");
		return misses((uintptr_t)code);
	}
	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ||
	    prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER | CLONE_NEWNS))
		err(77, "unshare");
	snprintf(ids, sizeof(ids), "0 %d 1", USER);
	put("/proc/self/uid_map", ids);
	snprintf(map, sizeof(map), "/tmp/perf-%d.map", getpid());
	close(create(map));
	if (mount(secret, map, NULL, MS_BIND, NULL))
		err(77, "mount");
	misses((uintptr_t)code);
}

static void copy(const char *from, const char *to)
{
	char bytes[16384];
	int source = open(from, O_RDONLY), target = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t size = source < 0 ? -1 : read(source, bytes, sizeof(bytes));

	if (size < 0 || target < 0 || write(target, bytes, (size_t)size) != size)
		err(1, "copying %s", from);
	close(source);
	close(target);
}

// Again and again: a library is mapped, called from, unmapped, and gone, and the next file at its path is another.
static void reuse(const char *path, const char *right, const char *wrong)
{
	for (int i = 1; i < 60; i++) {
		char *code;

		unlink(path);
		copy(right, path);
		code = map_code(path, 4096);
		usleep(2000);
		miss_at((uintptr_t)code + (uintptr_t)i);
		usleep((unsigned)i * 700);
		munmap(code, 4096);
		unlink(path);
		copy(wrong, path);
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "", *folder = argc > 2 ? argv[2] : ".";
	char path[256], other[256], secret[256], *code;

	snprintf(path, sizeof(path), "%s/mapped.so", folder);
	snprintf(other, sizeof(other), "%s/other.so", folder);
	snprintf(secret, sizeof(secret), "%s/secret", folder);
	if (!strcmp(kind, "bind") || !strcmp(kind, "chroot")) {
		perf_map(kind, folder, secret);
		return 0;
	}
	library(path, "right");
	library(other, "wrong");
	library(secret, "secret");
	chmod(secret, 0600);
	if (!strcmp(kind, "reused")) {
		char right[256];

		snprintf(right, sizeof(right), "%s/right.so", folder);
		copy(path, right);
		reuse(path, right, other);
		return 0;
	}
	code = map_code(path, 4096);
	if (!strcmp(kind, "overwritten")) {
		miss_at((uintptr_t)code + 100);
		usleep(300000);
		copy(other, path);
		misses((uintptr_t)code);
		return 0;
	}
	if (!strcmp(kind, "link") ? unlink(path) || symlink(secret, path) : rename(other, path))
		err(1, "%s", path);
	misses((uintptr_t)code);
	return 0;
}
