// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the loader sets while all processes are watched.
#ifndef VMASCOPE_CONTROL_H
#define VMASCOPE_CONTROL_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct vme_control);
} control SEC(".maps");

static __always_inline struct vme_control *flow_control(void)
{
	return only(&control);
}

#endif
