// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What to do with a lock, an attempt and a merge: some address spaces are observed, or all are
// watched. Only this file and owner_of() ask which.
#ifndef VMASCOPE_MODE_H
#define VMASCOPE_MODE_H

static __always_inline void acquired(void *ctx, u64 mm, bool write, bool success)
{
	if (!success)
		return;
	mm = as_number((void *)mm);
	if (config.everyone)
		flow_acquired(ctx, mm, write);
	else
		observed_acquired(ctx, mm, write);
}

static __always_inline void released(void *ctx, u64 mm, bool write)
{
	if (!write && !(config.everyone && is_lean()))
		return;
	mm = as_number((void *)mm);
	if (config.everyone)
		flow_released(ctx, mm, write);
	else
		observed_released(ctx, mm);
}

// Whether stores to trees matter to anybody: where all address spaces are watched, few sections are recorded, and the
// stores of all others cost next to nothing.
static __always_inline bool are_stores_noted(void)
{
	struct vme_control *control = config.everyone ? flow_control() : 0;

	return !control || control->recording;
}

// The owner of `mm`, if the current thread has a section of it open that is recorded.
static __always_inline struct vme_owner *writer_of(u64 mm)
{
	struct vme_owner *o = owner_of(mm);

	return o && is_writer(o) && (!config.everyone || o->section.one_in) ? o : 0;
}

// The owner of `mm` if all its sections are recorded; 0 where all address spaces are watched.
static __always_inline struct vme_owner *observed(u64 mm)
{
	return config.everyone ? 0 : owner_of(mm);
}

// A merge of [start, end) is considered. Returns the owner that the attempt is recorded for; 0 if
// it is only counted, or ignored.
static __always_inline struct vme_owner *considered(u64 mm, u64 start, u64 end)
{
	if (config.everyone)
		flow_proposes(mm, start, end);
	return observed(mm);
}

// A merge is carried out.
static __always_inline struct vme_owner *carried_out(u64 mm)
{
	if (config.everyone)
		count_attempt(mm, CARRIED_OUT);
	return observed(mm);
}

// A VMA [lo, hi) is the result of a merge, or of something else: the reader of the record
// decides.
static __always_inline struct vme_owner *joined(u64 mm, u64 lo, u64 hi)
{
	if (config.everyone)
		flow_joins(mm, lo, hi);
	return observed(mm);
}

#endif
