// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The mode of `vmascope run` and `attach`: chosen address spaces are observed, and all their
// sections are recorded.
#ifndef VMASCOPE_OBSERVE_H
#define VMASCOPE_OBSERVE_H

static __always_inline void observed_ends(void *ctx, u64 mm, struct vme_owner *o)
{
	emit_section(ctx, mm, o);
	refusals_end(ctx, mm, o);
	section_closes(o);
}

static __always_inline void observed_acquired(void *ctx, u64 mm, bool write)
{
	struct vme_owner *o = owner_of(mm);

	if (!o)
		return;
	if (!FIELD(struct mm_struct, mm, mm_users.counter))
		mm_exit(mm, o);
	else if (write)
		section_begin(mm, o, 0);
	else if (is_writer(o))  // a writer is about to become a reader
		observed_ends(ctx, mm, o);
}

static __always_inline void observed_released(void *ctx, u64 mm)
{
	struct vme_owner *o = owner_of(mm);

	if (!o)
		return;
	if (is_writer(o))
		observed_ends(ctx, mm, o);
	else
		section_unseen(mm, o);
}

#endif
