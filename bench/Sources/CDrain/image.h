// An address space while it is observed: what VMACore's Image, OpenSections and History hold.
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>

#include "rbtree.h"

enum { HISTORY = 512 };

// Rows of a section under way, or of an audit.
struct rows {
	struct area *all;
	size_t count, room;
};

struct open_section {
	struct open_section *next;
	uint32_t tid;
	bool has_begun;
	struct rows before, after;
};

struct history {
	struct {
		uint64_t time;
		size_t count;
	} points[HISTORY + 1];
	size_t count;
	uint64_t interval;
};

// An address space while it is observed.
struct image {
	struct area_tree layout;
	uint32_t mm, tgid;
	char command[16];
	bool is_complete, is_stale;
	size_t peak;
	uint64_t changes;
	struct open_section *open;
	struct rows audited;
	uint64_t audited_start, audited_end;
	struct history history;
};

struct open_section *image_open(struct image *image, uint32_t tid);
void rows_add(struct rows *rows, const struct area *more, size_t count);
// To be called when the layout is complete.
void image_begin(struct image *image, uint64_t time);
// Gives a cause to the boundaries from start to end, both included, that have none.
void image_charge(struct image *image, uint64_t start, uint64_t end, uint32_t cause);
void image_note(struct image *image, uint64_t time);
// Whether the layout holds these rows in [start, end), and no others.
bool image_equals(const struct image *image, const struct area *rows, size_t count, uint64_t start,
		  uint64_t end);
void image_inherit(struct image *child, struct image *parent);
void image_free(struct image *image);

#endif
