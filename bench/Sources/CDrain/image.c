#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "tables.h"

enum { SILENT_FLAGS = 0x8000800, UNKNOWN_CAUSE = -1 };

struct open_section *image_open(struct image *image, uint32_t tid)
{
	struct open_section *open = image->open;

	while (open && open->tid != tid)
		open = open->next;
	if (open)
		return open;
	open = calloc(1, sizeof(*open));
	if (!open)
		abort();
	open->tid = tid;
	open->next = image->open;
	return image->open = open;
}

void rows_add(struct rows *rows, const struct area *more, size_t count)
{
	if (rows->count + count > rows->room) {
		rows->room = 2 * (rows->count + count);
		rows->all = grown(rows->all, rows->room * sizeof(*rows->all));
	}
	memcpy(rows->all + rows->count, more, count * sizeof(*more));
	rows->count += count;
}

static void note(struct history *history, size_t count, uint64_t time)
{
	size_t last = history->count - 1;

	if (history->count &&
	    history->points[last].time / history->interval >= time / history->interval) {
		if (history->points[last].count < count)
			history->points[last].count = count;
		return;
	}
	history->points[history->count].time = time;
	history->points[history->count++].count = count;
	while (history->count > HISTORY) {
		struct history thinned = { .interval = 2 * history->interval };

		for (size_t i = 0; i < history->count; i++)
			note(&thinned, history->points[i].count, history->points[i].time);
		*history = thinned;
	}
}

void image_note(struct image *image, uint64_t time)
{
	if (image->peak < image->layout.count)
		image->peak = image->layout.count;
	note(&image->history, image->layout.count, time);
}

void image_charge(struct image *image, uint64_t start, uint64_t end, uint32_t cause)
{
	struct area *area = area_find(&image->layout, start ? start - 1 : 0), *next;

	for (; area; area = next) {
		next = area_next(area);
		if (!next || next->start > end)
			return;
		if (next->start == area->end && next->start >= start && !next->cause)
			next->cause = cause;
	}
}

void image_begin(struct image *image, uint64_t time)
{
	image->is_complete = true;
	image_charge(image, 0, UINT64_MAX, UNKNOWN_CAUSE);
	image->peak = image->layout.count;
	note(&image->history, image->peak, time);
}

static bool is_same(const struct area *ours, const struct area *theirs, uint64_t start,
		    uint64_t end)
{
	uint64_t cut = ours->start < start ? (start - ours->start) >> 12 : 0;
	uint64_t their_cut = theirs->start < start ? (start - theirs->start) >> 12 : 0;

	return (ours->start < start ? start : ours->start) ==
		       (theirs->start < start ? start : theirs->start) &&
	       (ours->end > end ? end : ours->end) == (theirs->end > end ? end : theirs->end) &&
	       ours->pgoff + cut == theirs->pgoff + their_cut && ours->file == theirs->file &&
	       !((ours->flags ^ theirs->flags) & ~(uint64_t)SILENT_FLAGS) &&
	       ours->policy == theirs->policy && ours->uffd == theirs->uffd &&
	       ours->name == theirs->name &&
	       ours->anon_pgoff + cut == theirs->anon_pgoff + their_cut;
}

// Whether the layout holds these rows in [start, end), and no others.
bool image_equals(const struct image *image, const struct area *rows, size_t count, uint64_t start,
		  uint64_t end)
{
	struct area *ours = area_find(&image->layout, start);

	for (; count; rows++, count--) {
		if (rows->end <= start || rows->start >= end)
			continue;
		if (!ours || ours->start >= end || !is_same(ours, rows, start, end))
			return false;
		ours = area_next(ours);
	}
	return !ours || ours->start >= end;
}

void image_inherit(struct image *child, struct image *parent)
{
	struct area *area = area_find(&child->layout, 0), *next, *found;

	for (; area; area = next) {
		next = area_next(area);
		if (!next || next->start != area->end)
			continue;
		found = area_find(&parent->layout, next->start);
		next->cause = found && found->start == next->start ? found->cause : 0;
	}
}

void image_free(struct image *image)
{
	struct open_section *open, *next;

	for (open = image->open; open; open = next) {
		next = open->next;
		free(open->before.all);
		free(open->after.all);
		free(open);
	}
	area_clear(&image->layout);
	free(image->audited.all);
	free(image);
}
