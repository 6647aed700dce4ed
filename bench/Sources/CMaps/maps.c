#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

long maps_read(int pid, char *text, size_t size)
{
	char path[32];
	size_t bytes = 0;
	ssize_t got = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	while (bytes < size &&
	       ((got = read(fd, text + bytes, size - bytes)) > 0 || (got < 0 && errno == EINTR)))
		bytes += got > 0 ? got : 0;
	close(fd);
	return got ? -1 : (long)bytes;
}

static uint64_t hex(const char **at)
{
	uint64_t value = 0;

	for (;; ++*at) {
		unsigned digit = **at;

		if (digit - '0' < 10)
			value = value << 4 | (digit - '0');
		else if (digit - 'a' < 6)
			value = value << 4 | (digit - 'a' + 10);
		else
			return value;
	}
}

size_t maps_parse(const char *text, size_t bytes, struct maps_row *rows, size_t most)
{
	const char *at = text, *end = text + bytes;
	size_t count = 0;

	while (at < end && count < most) {
		struct maps_row *row = &rows[count++];

		row->start = hex(&at);
		at++;
		row->end = hex(&at);
		memcpy(row->protection, at + 1, 4);
		at += 6;
		row->offset = hex(&at);
		at++;
		hex(&at);  // the device
		at++;
		hex(&at);
		at++;
		for (row->inode = 0; *at >= '0' && *at <= '9'; at++)
			row->inode = row->inode * 10 + (*at - '0');
		while (*at == ' ')
			at++;
		row->path = *at == '\n' ? NULL : at;
		at = memchr(at, '\n', end - at);
		at = at ? at + 1 : end;
	}
	return count;
}
