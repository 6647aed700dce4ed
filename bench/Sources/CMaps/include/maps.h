// /proc/PID/maps, read and parsed as fast as is reasonable by hand: what a snapshot is measured against.
#ifndef MAPS_H
#define MAPS_H

#include <stddef.h>
#include <stdint.h>

struct maps_row {
	uint64_t start, end, offset, inode;
	const char *path;  // into the text, up to the end of its line; null if there is none
	char protection[4];
};

// Bytes of the whole text of /proc/`pid`/maps, or -1 if it can't be read or has more than `size`.
long maps_read(int pid, char *text, size_t size);
// Rows of this text, `most` of them.
size_t maps_parse(const char *text, size_t bytes, struct maps_row *rows, size_t most);

#endif
