#define _GNU_SOURCE
#include "drain.h"

#include "image.h"
#include "tables.h"
#include "vma_wire.h"

enum { CPUS = 512 };

struct drain {
	uint32_t expected[CPUS];
	struct ids mms, anon_vmas, files, policies, contexts, names, stacks, causes;
	struct texts paths, words;
	struct image **images;  // by their mm's id
	uint32_t room;
	struct area rows[VME_ROWS_MAX];
	struct drain_sums sums;
	uint64_t peaks_of_gone;
};

struct drain *drain_new(void)
{
	return memset(grown(NULL, sizeof(struct drain)), 0, sizeof(struct drain));
}

// MARK: address spaces

static struct image *find_image(const struct drain *drain, uint32_t mm)
{
	return mm < drain->room ? drain->images[mm] : NULL;
}

static struct image *image_for(struct drain *drain, uint32_t mm, uint32_t tgid)
{
	struct image *image = find_image(drain, mm);
	uint32_t room = 2 * (mm + 1);

	if (image)
		return image;
	if (mm >= drain->room) {
		drain->images = grown(drain->images, room * sizeof(image));
		memset(drain->images + drain->room, 0, (room - drain->room) * sizeof(image));
		drain->room = room;
	}
	image = drain->images[mm] = calloc(1, sizeof(*image));
	if (!image)
		abort();
	image->mm = mm;
	image->tgid = tgid;
	image->history.interval = 1000000;
	return image;
}

static void remove_image(struct drain *drain, struct image *image)
{
	drain->peaks_of_gone += image->peak;
	drain->images[image->mm] = NULL;
	image_free(image);
}

// MARK: records

static struct area area_of(struct drain *drain, const struct vme_row *row)
{
	uint64_t file = row->file ? row->file ^ (uint64_t)row->inode * 0x9e3779b97f4a7c15 : 0;

	return (struct area){
		.start = row->start,
		.end = row->end,
		.pgoff = row->pgoff,
		.flags = row->flags,
		.anon_pgoff = row->anon_pgoff,
		.anon_vma = ids_of(&drain->anon_vmas, row->anon_vma),
		.file = ids_of(&drain->files, file),
		.policy = ids_of(&drain->policies, row->policy),
		.uffd = ids_of(&drain->contexts, row->uffd),
		.name = ids_of(&drain->names, row->name),
		.traits = row->traits,
	};
}

static int rows(struct drain *drain, const struct vme_rows *record, size_t size)
{
	const struct vme_header *h = &record->h;
	bool is_new = record->reason == VME_FORKED || record->reason == VME_IMAGE;
	uint32_t mm = ids_of(&drain->mms, h->mm);
	struct image *image = find_image(drain, mm);
	struct open_section *open;
	uint64_t end = 0;

	if (size < offsetof(struct vme_rows, rows) || record->count > VME_ROWS_MAX ||
	    size < offsetof(struct vme_rows, rows) + record->count * sizeof(struct vme_row))
		return -1;
	for (size_t i = 0; i < record->count; i++) {
		if (record->rows[i].start < end || record->rows[i].end <= record->rows[i].start)
			return -1;
		end = record->rows[i].end;
		drain->rows[i] = area_of(drain, &record->rows[i]);
	}
	if (is_new && !record->lo && image && image->is_complete)
		remove_image(drain, image);
	image = image_for(drain, mm, h->tgid);
	image->changes++;
	switch (record->reason) {
	case VME_AUDIT:
		if (!image->audited.count)
			image->audited_start = record->lo;
		image->audited_end = record->hi;
		rows_add(&image->audited, drain->rows, record->count);
		return 0;
	case VME_BEFORE:
		open = image_open(image, h->tid);
		open->has_begun = true;
		rows_add(&open->before, drain->rows, record->count);
		if (image->is_complete && !image->is_stale &&
		    !image_equals(image, drain->rows, record->count, record->lo, record->hi))
			drain->sums.resynced++;
		break;
	case VME_AFTER:
		open = image_open(image, h->tid);
		rows_add(&open->after, drain->rows, record->count);
		break;
	}
	area_replace(&image->layout, record->lo, record->hi, drain->rows, record->count);
	if (record->reason == VME_IMAGE)
		image_begin(image, h->time);
	image->is_stale |= record->truncated;
	return 0;
}

// The place of VMACore's Operation, coarser than Syscall.operation has it: here it only tells causes apart.
static uint32_t operation_of(const struct vme_section *section)
{
	if (section->flags & (VME_FOREIGN | VME_COMPAT))
		return 12;
	if (section->nr < 0)
		return 11;
	switch (section->nr) {
	case 9:
		return 0;
	case 12:
		return 1;
	case 25:
		return 2;
	case 10:
	case 329:
		return 3;
	case 28:
	case 440:
		return 4;
	case 149:
	case 150:
	case 151:
	case 152:
	case 325:
		return 5;
	case 237:
		return 6;
	case 157:
		return 7;
	case 3:
	case 16:
	case 33:
	case 292:
	case 323:
	case 436:
		return 8;
	case 11:
		return 9;
	case 56:
	case 57:
	case 58:
	case 435:
		return 10;
	default:
		return 12;
	}
}

static int section(struct drain *drain, const struct vme_section *record, size_t size)
{
	const struct vme_header *h = &record->h;
	struct image *image;
	struct open_section *open;
	uint32_t cause;

	if (size < sizeof(*record))
		return -1;
	image = image_for(drain, ids_of(&drain->mms, h->mm), h->tgid);
	open = image_open(image, h->tid);
	image->is_stale |= record->flags & VME_INCOMPLETE;
	open->has_begun = false;
	open->before.count = open->after.count = 0;
	// 0 is no key.
	cause = ids_of(&drain->causes, (uint64_t)(operation_of(record) + 1) << 32 |
					       ids_of(&drain->stacks, record->stack));
	if (record->lo < record->hi)
		image_charge(image, record->lo, record->hi, cause);
	if (record->lo2 < record->hi2)
		image_charge(image, record->lo2, record->hi2, cause);
	image_note(image, h->time);
	return 0;
}

static int life(struct drain *drain, const struct vme_life *record, size_t size)
{
	const struct vme_header *h = &record->h;
	uint32_t mm = ids_of(&drain->mms, h->mm);
	struct image *image = find_image(drain, mm), *parent;

	if (size < sizeof(*record))
		return -1;
	parent = find_image(drain, ids_of(&drain->mms, record->other_mm));
	if (h->kind == VME_EXIT) {
		ids_forget(&drain->mms, h->mm);
		if (!image)
			return 0;
		if (image->is_complete && !image->is_stale &&
		    image->audited_end > image->audited_start) {
			drain->sums.compared++;
			drain->sums.equal +=
				image_equals(image, image->audited.all, image->audited.count,
					     image->audited_start, image->audited_end);
		}
		remove_image(drain, image);
		return 0;
	}
	if (h->kind == VME_EXEC && image && image->is_complete)
		remove_image(drain, image);
	image = image_for(drain, mm, h->tgid);
	memcpy(image->command, record->comm, sizeof(image->command));
	if (h->kind == VME_FORK) {
		if (parent)
			image_inherit(image, parent);
		image_begin(image, h->time);
	}
	return 0;
}

static int text(struct drain *drain, const void *data, size_t size)
{
	const struct vme_file *file = data;
	const struct vme_name *name = data;
	uint32_t at;

	if (name->h.kind == VME_NAME) {
		if (size < sizeof(*name))
			return -1;
		texts_set(&drain->words, ids_of(&drain->names, name->name), name->text,
			  VME_NAME_MAX);
		return 0;
	}
	if (size < sizeof(*file))
		return -1;
	at = file->at < VME_PATH_MAX ? file->at : VME_PATH_MAX - 1;
	texts_set(&drain->paths,
		  ids_of(&drain->files, file->file ^ (uint64_t)file->inode * 0x9e3779b97f4a7c15),
		  file->path + at, VME_PATH_MAX - at);
	return 0;
}

int drain_record(void *context, void *data, size_t size)
{
	struct drain *drain = context;
	const struct vme_header *h = data;
	int32_t gap;

	if (size < sizeof(*h) || h->cpu >= CPUS)
		return 0;
	gap = h->seq - drain->expected[h->cpu];
	if (gap >= 0) {
		drain->expected[h->cpu] = h->seq + 1;
		drain->sums.lost += gap;
	}
	drain->sums.received++;
	switch (h->kind) {
	case VME_ROWS:
		drain->sums.lost += rows(drain, data, size) < 0;
		break;
	case VME_SECTION:
		drain->sums.lost += section(drain, data, size) < 0;
		break;
	case VME_FORK:
	case VME_EXEC:
	case VME_EXIT:
		drain->sums.lost += life(drain, data, size) < 0;
		break;
	case VME_FILE:
	case VME_NAME:
		drain->sums.lost += text(drain, data, size) < 0;
		break;
	}
	return 0;
}

struct drain_sums drain_sums(const struct drain *drain)
{
	struct drain_sums sums = drain->sums;

	sums.peaks = drain->peaks_of_gone;
	for (uint32_t i = 0; i < drain->room; i++)
		sums.peaks += drain->images[i] ? drain->images[i]->peak : 0;
	return sums;
}

void drain_free(struct drain *drain)
{
	struct ids *ids[] = {
		&drain->mms,      &drain->anon_vmas, &drain->files,  &drain->policies,
		&drain->contexts, &drain->names,     &drain->stacks, &drain->causes,
	};

	for (uint32_t i = 0; i < drain->room; i++)
		if (drain->images[i])
			remove_image(drain, drain->images[i]);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		free(ids[i]->slots);
	texts_clear(&drain->paths);
	texts_clear(&drain->words);
	free(drain->images);
	free(drain);
}

int ring_consume(const void *ring, size_t bytes, int (*each)(void *, void *, size_t), void *context)
{
	const char *at = ring, *end = at + bytes;

	while (at < end) {
		uint32_t length = *(const uint32_t *)at;
		int error = each(context, (void *)(at + 8), length);

		if (error < 0)
			return error;
		at += (length + 8 + 7) / 8 * 8;
	}
	return 0;
}
