// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The BPF object: facts only, no judgement. Every program is optional; the loader chooses by the
// shape of the running kernel (Sources/VMAProbe/Kernel/AttachPlan.swift).
#include "base/kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "vma_shared.h"
#include "vma_syscalls.h"

#include "base/shared.h"
#include "read/tree.h"
#include "read/names.h"
#include "read/wanted.h"
#include "read/rows.h"
#include "read/syscalls.h"
#include "read/paths.h"
#include "read/stacks.h"
#include "read/pages.h"
#include "read/present.h"
#include "section/refusals.h"
#include "section/sections.h"
#include "mode/observe.h"
#include "mode/control.h"
#include "mode/users.h"
#include "mode/system.h"
#include "mode/mode.h"
#include "attach/locks.h"
#include "attach/answers.h"
#include "attach/lifecycle.h"
#include "attach/hooks.h"
#include "attach/attempts.h"
#include "attach/iterated.h"
#include "attach/rbtree.h"
#include "read/snapshot.h"
#include "read/stock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
