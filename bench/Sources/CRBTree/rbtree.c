#include "rbtree.h"

#include <malloc.h>
#include <stdlib.h>

static void set_child(struct area_tree *tree, struct area *parent, struct area *old,
		      struct area *new_child)
{
	if (!parent)
		tree->root = new_child;
	else if (parent->left == old)
		parent->left = new_child;
	else
		parent->right = new_child;
	if (new_child)
		new_child->parent = parent;
}

static void rotate(struct area_tree *tree, struct area *node, int left)
{
	struct area *child = left ? node->right : node->left;
	struct area *inner = left ? child->left : child->right;

	set_child(tree, node->parent, node, child);
	node->parent = child;
	if (left) {
		child->left = node;
		node->right = inner;
	} else {
		child->right = node;
		node->left = inner;
	}
	if (inner)
		inner->parent = node;
}

static void insert(struct area_tree *tree, struct area *node)
{
	struct area **link = &tree->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = node->start < parent->start ? &parent->left : &parent->right;
	}
	node->parent = parent;
	node->left = node->right = NULL;
	node->red = 1;
	*link = node;
	tree->count++;
	while ((parent = node->parent) && parent->red) {
		struct area *grand = parent->parent;
		int left = parent == grand->left;
		struct area *uncle = left ? grand->right : grand->left;

		if (uncle && uncle->red) {
			parent->red = uncle->red = 0;
			grand->red = 1;
			node = grand;
			continue;
		}
		if (node == (left ? parent->right : parent->left)) {
			rotate(tree, parent, left);
			parent = node;
		}
		parent->red = 0;
		grand->red = 1;
		rotate(tree, grand, !left);
		break;
	}
	tree->root->red = 0;
}

static void repair(struct area_tree *tree, struct area *node, struct area *parent)
{
	while (node != tree->root && (!node || !node->red)) {
		int left = node == parent->left;
		struct area *other = left ? parent->right : parent->left, *near, *far;

		if (other->red) {
			other->red = 0;
			parent->red = 1;
			rotate(tree, parent, left);
			other = left ? parent->right : parent->left;
		}
		near = left ? other->left : other->right;
		far = left ? other->right : other->left;
		if ((!near || !near->red) && (!far || !far->red)) {
			other->red = 1;
			node = parent;
			parent = node->parent;
			continue;
		}
		if (!far || !far->red) {
			near->red = 0;
			other->red = 1;
			rotate(tree, other, !left);
			far = other;
			other = near;
		}
		other->red = parent->red;
		parent->red = 0;
		far->red = 0;
		rotate(tree, parent, left);
		node = tree->root;
		break;
	}
	if (node)
		node->red = 0;
}

static void erase(struct area_tree *tree, struct area *node)
{
	struct area *child, *parent;
	int red;

	if (node->left && node->right) {
		struct area *next = node->right;

		while (next->left)
			next = next->left;
		child = next->right;
		parent = next->parent;
		red = next->red;
		if (parent == node) {
			parent = next;
		} else {
			set_child(tree, parent, next, child);
			next->right = node->right;
			next->right->parent = next;
		}
		set_child(tree, node->parent, node, next);
		next->left = node->left;
		next->left->parent = next;
		next->red = node->red;
	} else {
		child = node->left ? node->left : node->right;
		parent = node->parent;
		red = node->red;
		set_child(tree, parent, node, child);
	}
	tree->count--;
	if (!red)
		repair(tree, child, parent);
	free(node);
}

static struct area *following(struct area *node)
{
	if (node->right) {
		node = node->right;
		while (node->left)
			node = node->left;
		return node;
	}
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}

struct area *area_find(const struct area_tree *tree, uint64_t address)
{
	struct area *node = tree->root, *found = NULL;

	while (node) {
		if (node->end > address) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct area *area_next(struct area *area)
{
	return following(area);
}

// The last that starts before `address`, or null.
static struct area *find_last(const struct area_tree *tree, uint64_t address)
{
	struct area *node = tree->root, *found = NULL;

	while (node) {
		if (node->start < address) {
			found = node;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return found;
}

static struct area *copy(const struct area *from)
{
	struct area *made = malloc(sizeof(*made));

	if (!made)
		abort();
	*made = *from;
	return made;
}

static void advance_start(struct area *area, uint64_t start)
{
	area->pgoff += (start - area->start) >> 12;
	area->anon_pgoff += (start - area->start) >> 12;
	area->start = start;
}

void area_overwrite(struct area_tree *tree, uint64_t start, uint64_t end,
		    const struct area *new_area)
{
	struct area *area = area_find(tree, start), *next;

	if (area && area->start < start) {
		if (area->end > end) {
			struct area *tail = copy(area);

			advance_start(tail, end);
			area->end = start;
			insert(tree, tail);
			area = NULL;
		} else {
			area->end = start;
			area = following(area);
		}
	}
	for (; area && area->start < end; area = next) {
		next = following(area);
		if (area->end > end) {
			advance_start(area, end);
			break;
		}
		erase(tree, area);
	}
	if (new_area)
		insert(tree, copy(new_area));
}

static void replace_fields(struct area *area, const struct area *with)
{
	struct area links = *area;

	*area = *with;
	area->parent = links.parent;
	area->left = links.left;
	area->right = links.right;
	area->red = links.red;
}

// What reaches beyond `end` stays there.
static void keep_tail(struct area_tree *tree, struct area *area, uint64_t end)
{
	struct area *tail = copy(area);

	advance_start(tail, end);
	tail->cause = 0;
	insert(tree, tail);
}

void area_replace(struct area_tree *tree, uint64_t start, uint64_t end, const struct area *rows,
		  size_t count)
{
	struct area *area, *next;
	uint64_t previous_end = 0;

	if (count && rows[0].start < start)
		start = rows[0].start;
	if (count && rows[count - 1].end > end)
		end = rows[count - 1].end;
	area = find_last(tree, start);
	if (area) {
		if (area->end > end)
			keep_tail(tree, area, end);
		if (area->end > start)
			area->end = start;
		previous_end = area->end;
		area = following(area);
	} else {
		area = area_find(tree, start);
	}
	while (count || (area && area->start < end)) {
		if (!area || area->start >= end || (count && rows->start < area->start)) {
			insert(tree, copy(rows));
		} else if (count && rows->start == area->start) {
			uint32_t cause = previous_end == area->start ? area->cause : 0;

			if (area->end > end)
				keep_tail(tree, area, end);
			replace_fields(area, rows);
			area->cause = cause;
			area = following(area);
		} else {
			next = following(area);
			if (area->end > end)
				keep_tail(tree, area, end);
			erase(tree, area);
			area = next;
			continue;
		}
		previous_end = rows->end;
		rows++;
		count--;
	}
	if (area && area->start == end && previous_end != end)
		area->cause = 0;
}

static void free_all(struct area *area)
{
	if (!area)
		return;
	free_all(area->left);
	free_all(area->right);
	free(area);
}

void area_clear(struct area_tree *tree)
{
	free_all(tree->root);
	tree->root = NULL;
	tree->count = 0;
}

size_t allocated_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
