// What a C program needs in place of Swift's collections.
#ifndef TABLES_H
#define TABLES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline void *grown(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (!memory)
		abort();
	return memory;
}

// Maps keys other than 0 to ids, in the order of their appearance, from 1 on: open addressing, at most half full.
struct ids {
	struct slot {
		uint64_t key;
		uint32_t id;
	} * slots;
	uint32_t size, used, last;
};

static inline struct slot *ids_slot(const struct ids *ids, uint64_t key)
{
	uint32_t at = key * 0x9e3779b97f4a7c15 >> 32 & (ids->size - 1);

	while (ids->slots[at].key && ids->slots[at].key != key)
		at = (at + 1) & (ids->size - 1);
	return &ids->slots[at];
}

static inline void ids_grow(struct ids *ids)
{
	struct ids old = *ids;

	ids->size = old.size ? 2 * old.size : 64;
	ids->slots = calloc(ids->size, sizeof(*ids->slots));
	if (!ids->slots)
		abort();
	for (uint32_t i = 0; i < old.size; i++)
		if (old.slots[i].key)
			*ids_slot(ids, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

static inline uint32_t ids_of(struct ids *ids, uint64_t key)
{
	struct slot *slot;

	if (!key)
		return 0;
	if (2 * ids->used >= ids->size)
		ids_grow(ids);
	slot = ids_slot(ids, key);
	if (!slot->key) {
		slot->key = key;
		ids->used++;
	}
	if (!slot->id)
		slot->id = ++ids->last;
	return slot->id;
}

// To be called when the memory of this key was freed: what is allocated there next is something else.
static inline void ids_forget(struct ids *ids, uint64_t key)
{
	if (ids->size)
		ids_slot(ids, key)->id = 0;
}

// Texts by id.
struct texts {
	char **all;
	uint32_t room;
};

static inline void texts_set(struct texts *texts, uint32_t id, const char *text, size_t size)
{
	if (id >= texts->room) {
		texts->all = grown(texts->all, 2 * (id + 1) * sizeof(*texts->all));
		memset(texts->all + texts->room, 0,
		       (2 * (id + 1) - texts->room) * sizeof(*texts->all));
		texts->room = 2 * (id + 1);
	}
	free(texts->all[id]);
	texts->all[id] = strndup(text, size);
}

static inline void texts_clear(struct texts *texts)
{
	for (uint32_t i = 0; i < texts->room; i++)
		free(texts->all[i]);
	free(texts->all);
}

#endif
