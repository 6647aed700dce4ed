// A red-black tree of VMAs, as Linux kept them up to 6.0: what `Layout` is measured against.
#ifndef RBTREE_H
#define RBTREE_H

#include <stddef.h>
#include <stdint.h>

// What `VMA` holds, and the links.
struct area {
	struct area *parent, *left, *right;
	uint64_t start, end, pgoff, anon_pgoff, flags;
	uint32_t anon_vma, file, policy, uffd, name, cause;
	uint16_t traits;
	uint8_t red;
};

struct area_tree {
	struct area *root;
	size_t count;
};

// [start, end) holds `new` (of any range inside it), or nothing if it is null: what was there is
// trimmed, split or freed.
void area_overwrite(struct area_tree *tree, uint64_t start, uint64_t end,
		    const struct area *new_area);
// [start, end) and what `rows` cover, which touch it, hold exactly these; sorted, not overlapping. A row
// that begins where one began takes its place, and a boundary that stays one keeps its cause.
void area_replace(struct area_tree *tree, uint64_t start, uint64_t end, const struct area *rows,
		  size_t count);
// The first that ends above `address`, or null.
struct area *area_find(const struct area_tree *tree, uint64_t address);
struct area *area_next(struct area *area);
void area_clear(struct area_tree *tree);

// Bytes that malloc has given out, its own headers included.
size_t allocated_bytes(void);

#endif
