// Becomes nobody, and does what it can to the processes that read its files for the observer: helpers [SECONDS]. Root.
// Prints how many of them there are, and how many took a signal or could be traced, stopped or read.
#include "hostile.h"
#include <dirent.h>
#include <grp.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <time.h>

static pid_t observer;

static int is_helper(const char *pid, const char **role)
{
	static const char *const roles[] = { "--debug-symbol-reader", "--debug-unwinder",
					     "--debug-symbol-opener" };
	char path[64], line[256] = { 0 };
	int fd, parent = 0;
	FILE *stat;

	// Those of our own observer.
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	stat = fopen(path, "r");
	if (!stat || fscanf(stat, "%*d (%*[^)]) %*c %d", &parent) != 1 || parent != observer) {
		if (stat)
			fclose(stat);
		return 0;
	}
	fclose(stat);

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) < 0)
		*line = 0;
	close(fd);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (!strcmp(line + strlen(line) + 1, roles[i]))
			return *role = roles[i], 1;
	return 0;
}

static int attack(pid_t pid, const char *role)
{
	char path[64], byte;
	int worked = 0, fd;

	if (!ptrace(PTRACE_SEIZE, pid, 0, 0))
		worked++, printf("%s can be traced\n", role);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if ((fd = open(path, O_RDWR)) >= 0 && pread(fd, &byte, 1, 0x400000) >= 0)
		worked++, printf("%s can be read\n", role);
	snprintf(path, sizeof(path), "/proc/%d/fd/3", pid);
	if (open(path, O_RDWR) >= 0)
		worked++, printf("%s gives its descriptors away\n", role);
	if (!setpriority(PRIO_PROCESS, (id_t)pid, 19))
		worked++, printf("%s can be made slow\n", role);
	if (!kill(pid, SIGSTOP))
		worked++, printf("%s can be stopped\n", role);
	if (!kill(pid, SIGKILL))
		worked++, printf("%s can be killed\n", role);
	return worked;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
	int seen = 0, worked = 0;

	observer = getppid();

	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		err(1, "becoming nobody");
	do {
		DIR *folder = opendir("/proc");
		struct dirent *entry;
		const char *role;

		miss_from(NULL);
		while (folder && (entry = readdir(folder)))
			if (*entry->d_name >= '1' && *entry->d_name <= '9' &&
			    is_helper(entry->d_name, &role)) {
				seen++;
				worked += attack(atoi(entry->d_name), role);
			}
		closedir(folder);
		usleep(100000);
	} while (time(NULL) < end);
	printf("helpers were found %s, and %d attacks worked\n", seen ? "often" : "never", worked);
	return 0;
}
