#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// What a path may cost: links as the kernel's own walk follows them, and names looked up in all.
#define MOST_LINKS 40
#define MOST_STEPS 4096
// An id that a user namespace has no number for shows as this one.
#define NOBODY 65534
#define SEARCH 1U
#define READ 4U

// Whether files of this file system are the kernel's: to open one may do something (tracefs/free_buffer), and none
// has symbols.
static bool is_kernels(long type)
{
	static const unsigned int types[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,
		BPF_FS_MAGIC,
		SELINUX_MAGIC,
		SMACK_MAGIC,
		EFIVARFS_MAGIC,
		BINFMTFS_MAGIC,
		PSTOREFS_MAGIC,
		NSFS_MAGIC,
		RDTGROUP_SUPER_MAGIC,
		0x62656570 /* configfs */,
		0x65735543 /* fusectl */,
	};

	for (unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned int)type == types[i])
			return true;
	return false;
}

// Whether stat(2) may say another device, or inode, of files of this file system than mappings show.
static bool hides_numbers(long type)
{
	static const unsigned int types[] = {
		OVERLAYFS_SUPER_MAGIC,     BTRFS_SUPER_MAGIC,     0x00c36400 /* ceph */,
		0xca451a4e /* bcachefs */, 0x61756673 /* aufs */,
	};

	for (unsigned int i = 0; i < sizeof(types) / sizeof(*types); i++)
		if ((unsigned int)type == types[i])
			return true;
	return false;
}

// The name of a place as openat(2) and getxattr(2) take it.
static const char *name_of(int place, char name[64])
{
	snprintf(name, 64, "/proc/self/fd/%d", place);
	return name;
}

// MARK: rights

static bool has_list(int place)
{
	char name[64];

	return getxattr(name_of(place, name), "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != EOPNOTSUPP);
}

// Whether the mode of a file gives these rights what `bit` stands for, as the kernel decides it without capabilities.
// Where that is uncertain (an access control list, an id without a number) each class that may apply has to give it.
static bool gives(int place, const struct stat *status, const struct vms_rights *rights,
		  unsigned int bit)
{
	bool is_member = false;

	if (!rights)
		return true;
	if (status->st_uid == rights->uid) {
		if (!(status->st_mode & bit << 6))
			return false;
		if (rights->uid != NOBODY)
			return true;
	}
	if (has_list(place))
		return false;
	is_member = status->st_gid == rights->gid;
	for (size_t i = 0; i < rights->count && !is_member; i++)
		is_member = status->st_gid == rights->groups[i];
	if (is_member) {
		if (!(status->st_mode & bit << 3))
			return false;
		if (status->st_gid != NOBODY)
			return true;
	}
	return status->st_mode & bit;
}

// MARK: opening

static int reopen(int place, const struct vms_numbers *expected, const struct vms_rights *rights)
{
	char name[64];
	struct stat status;
	struct statfs system;
	int fd, error = 0;

	if (place < 0)
		return place;
	// A device or a pipe may do something when it is opened.
	if (fstat(place, &status) || fstatfs(place, &system))
		error = errno;
	else if (!S_ISREG(status.st_mode) || is_kernels(system.f_type))
		error = EISDIR;
	// Opening another file would already do something: break a lease, or ask whose file system it is.
	else if (expected && !hides_numbers(system.f_type) &&
		 (((uint64_t)major(status.st_dev) << 32 | minor(status.st_dev)) !=
			  expected->device ||
		  status.st_ino != expected->inode))
		error = ESTALE;
	else if (!gives(place, &status, rights, READ))
		error = EACCES;
	fd = error ? -1 : open(name_of(place, name), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (!error && fd < 0)
		error = errno;
	close(place);
	return error ? -error : fd;
}

// A path on its way: what is left of it, and the directories passed, without links.
struct way {
	int root;
	int here;            // the same as `root`, or ours to close
	unsigned int links;  // that may still be followed
	char left[PATH_MAX];
	char passed[PATH_MAX];
};

// The way is not at its end.
#define GOES_ON (-EINPROGRESS)

static void go_to(struct way *way, int place)
{
	if (way->here != way->root)
		close(way->here);
	way->here = place;
	if (place == way->root)
		way->passed[0] = 0;
}

// `rest` is empty or begins with a slash.
static int go_on(struct way *way, const char *path, const char *rest)
{
	char joined[2 * PATH_MAX];

	snprintf(joined, sizeof(joined), "%s%s", path, rest);
	if (strlen(joined) >= sizeof(way->left))
		return -ENAMETOOLONG;
	strcpy(way->left, joined);
	return GOES_ON;
}

// Where the kernel's own `..` leads may have been moved out of the root: walks down to the directory above anew.
static int go_up(struct way *way, const char *rest)
{
	char parent[PATH_MAX];
	char *last = strrchr(way->passed, '/');

	if (last)
		*last = 0;
	strcpy(parent, way->passed);
	go_to(way, way->root);
	return go_on(way, parent, rest);
}

static int follow(struct way *way, int link, const char *rest)
{
	char target[PATH_MAX];
	struct statfs system;
	ssize_t size;

	// A link of /proc leads elsewhere than it says, or to us.
	if (!way->links || fstatfs(link, &system) || is_kernels(system.f_type))
		return -ELOOP;
	way->links--;
	size = readlinkat(link, "", target, sizeof(target) - 1);
	if (size <= 0)
		return size ? -errno : -ENOENT;
	target[size] = 0;
	if (target[0] == '/')
		go_to(way, way->root);
	return go_on(way, target, rest);
}

// Walks on by one name. Returns the place at which the path ends, GOES_ON, or -errno.
static int step(struct way *way, const struct vms_rights *rights)
{
	const char *name = way->left + strspn(way->left, "/");
	size_t size = strcspn(name, "/");
	char one[NAME_MAX + 1], rest[PATH_MAX];
	struct stat status;
	int place, error;

	if (!size)
		return -EISDIR;
	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(one, name, size);
	one[size] = 0;
	strcpy(rest, name + size);
	if (!strcmp(one, "."))
		return go_on(way, "", rest);
	if (!strcmp(one, ".."))
		return go_up(way, rest);
	if (fstat(way->here, &status))
		return -errno;
	if (!gives(way->here, &status, rights, SEARCH))
		return -EACCES;
	place = openat(way->here, one, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return -errno;
	if (fstat(place, &status)) {
		error = -errno;
	} else if (S_ISLNK(status.st_mode)) {
		error = follow(way, place, rest);
	} else if (!S_ISDIR(status.st_mode)) {
		if (!*rest)
			return place;
		error = -ENOTDIR;
	} else if (strlen(way->passed) + size + 2 > sizeof(way->passed)) {
		error = -ENAMETOOLONG;
	} else {
		go_to(way, place);
		strcat(strcat(way->passed, "/"), one);
		strcpy(way->left, rest);
		return GOES_ON;
	}
	close(place);
	return error;
}

int vms_open_below(int root, const char *path, bool links, const struct vms_numbers *expected,
		   const struct vms_rights *rights)
{
	struct way way = { .root = root, .here = root, .links = links ? MOST_LINKS : 0 };
	int place = GOES_ON;

	if (strlen(path) >= sizeof(way.left))
		return -ENAMETOOLONG;
	strcpy(way.left, path);
	for (int steps = 0; steps < MOST_STEPS && place == GOES_ON; steps++)
		place = step(&way, rights);
	go_to(&way, root);
	return reopen(place == GOES_ON ? -ELOOP : place, expected, rights);
}

static int place(const char *path, int flags)
{
	int fd = open(path, O_PATH | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

int vms_open_link(const char *path, const struct vms_numbers *expected)
{
	return reopen(place(path, 0), expected, NULL);
}

int vms_open_link_place(const char *path)
{
	return place(path, 0);
}

int vms_open_place(const char *path)
{
	return place(path, O_DIRECTORY);
}
