// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The BPF object: facts only, no judgement. Every program is optional; the loader chooses by
// what the running kernel has (Sources/VMAProbe/AttachPlan.swift).
#include "kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "vma_shared.h"

#include "wire.h"
#include "tree.h"
#include "names.h"
#include "rows.h"
#include "syscalls.h"
#include "sections.h"
#include "lifecycle.h"
#include "hooks.h"
#include "attempts.h"
#include "rbtree.h"
#include "snapshot.h"
#include "stock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
