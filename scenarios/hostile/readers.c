// Takes others' names away: readers FOLDER KIND SECONDS [LIBRARY]. Root; becomes an ordinary user.
//   names   each 0.25 s a child is refused an mmap by a function of a fresh copy of LIBRARY, whose names take long to make readable
//   maps    the same by children of a process that maps a file with a long path 30,000 times
//   victim  is refused an mremap each 0.5 s, as "payments"
#include "hostile.h"

#include <dlfcn.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static void refused(void)
{
	mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sleep(3);
	_exit(0);
}

__attribute__((noinline)) static void leaky(void *page)
{
	if (mremap(page, 4096, 1UL << 46, MREMAP_MAYMOVE) != MAP_FAILED)
		errx(1, "mremap");
}

static void become(uid_t id)
{
	if (setgroups(0, NULL) || setgid(id) || setuid(id))
		err(1, "setuid");
}

static void copy(const char *from, const char *to)
{
	static char bytes[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t got;

	if (in < 0 || out < 0)
		err(1, "%s", to);
	while ((got = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)got) != got)
			err(1, "write");
	close(in);
	close(out);
}

// A file 14 folders down, of names of 250 bytes, mapped many times.
static void map_much(void)
{
	char name[251];
	int fd;

	memset(name, 'e', 250);
	name[250] = 0;
	for (int depth = 0; depth < 14; depth++)
		if (mkdir(name, 0755) || chdir(name))
			err(1, "mkdir");
	fd = open("file", O_RDWR | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, 8192))
		err(1, "file");
	for (int i = 0; i < 30000; i++)
		if (mmap(NULL, 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			 0) == MAP_FAILED)
			err(1, "mmap");
}

int main(int argc, char **argv)
{
	time_t end;

	if (argc < 4 || chdir(argv[1]))
		errx(64, "readers FOLDER KIND SECONDS [LIBRARY]");
	end = time(NULL) + atoi(argv[3]);
	if (!strcmp(argv[2], "victim")) {
		void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		become(65533);
		prctl(PR_SET_NAME, "payments");
		for (; time(NULL) < end; usleep(500000))
			leaky(page);
		return 0;
	}
	become(65534);
	if (!strcmp(argv[2], "maps"))
		map_much();
	for (int i = 0; time(NULL) < end; i++) {
		if (!fork()) {
			char path[64];
			void *library, *names;

			if (!strcmp(argv[2], "maps"))
				refused();
			snprintf(path, sizeof(path), "./copy%d.so", i);
			copy(argv[4], path);
			library = dlopen(path, RTLD_NOW);
			unlink(path);
			if (!library || !(names = dlsym(library, "all")))
				errx(1, "%s", dlerror());
			((void (**)(int, void (*)(void)))names)[0](20, refused);
		}
		usleep(250000);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 0;
}
