// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause
//
// The data that the BPF programs and the loader share besides records: the observed address
// spaces, the loader's settings, and its requests.
#ifndef VMA_SHARED_H
#define VMA_SHARED_H

#include "vma_wire.h"

// An observed address space. It contains the write section that a thread holds open, and changes
// under the mmap_lock only.
struct vme_owner {
	vme_u32 tgid;
	vme_u32 writer;  // the thread that holds the lock for writing and was seen to take it, or 0
	vme_u64 sections;  // odd while one is open, and never the same again
	// Its ranges come from the arguments at first, and grow by its stores. `one_in` is 0 if
	// all sections are recorded, and if this one is not where only some are.
	struct vme_section section;
	vme_u64 total_vm;  // when it began
	vme_s32 map_count;
	vme_u32 refused;  // calls in `refused_time`
	vme_u64 refused_time;
	vme_u32 refused_more;        // of these, those that were not recorded
	vme_u32 counted;             // the pages that the section moves were counted
	vme_u64 asked_lo, asked_hi;  // what its arguments name, without its stores
};

// How many calls that changed nothing an address space may record in each period of 2^27 ns (134
// ms).
#define VME_REFUSALS_RECORDED 1024

// Set by the loader at any time.
struct vme_limits {
	vme_u32 map_count;  // vm.max_map_count
	vme_u32 reserved;
};

// The place of an address space in the sieve of those that are observed.
#define VME_SIEVE 16384
static inline vme_u32 vme_sieve_key(vme_u64 mm)
{
	return (vme_u32)((mm * 0x9e3779b97f4a7c15ULL) >> 50);
}

// An address space in the mode in which all are watched.
struct vme_flow {
	struct vme_owner owner;
	vme_u32 watch;      // of the last section that was seen: what it found or left is known
	vme_s32 map_count;  // when it began; after it, as it left it
	vme_u32 epoch;      // of `seen`, `base` and `used`
	vme_u32 seen;       // sections in this epoch that might have been recorded
	vme_u32 used;       // what it has cost in this epoch, in VME_COST_*
	vme_u32 base;       // one_in as the last epoch's number makes it
	vme_u64 born;
	vme_u64 start,
		end;  // proposed last, where the result shows a merge; empty if nothing
	struct vme_counts counts;
};

// What a lock costs, in about a hundred nanoseconds.
#define VME_COST_SECTION 4
#define VME_COST_READ 1

// An address space that has had its share of an epoch (`allowance`): what it does until the next one is not looked at.
// It is found by its pointer alone, which costs next to nothing. The table has one place for each hash; who finds its
// place taken is found by its entry in `flows`.
#define VME_MUTED 1024
struct vme_muted {
	vme_u64 mm;
	vme_u32 epoch;
	vme_u32 skipped;  // out: write sections since then, which its entry in `flows` does not have
};

// Calls that were refused to the processes of one user: telling each costs more than a thousand sections.
#define VME_USERS 1024
#define VME_IN_NAMESPACE 0x80000000U
struct vme_user {
	vme_u32 epoch;  // of `told`
	vme_u32 told;
	vme_u32 untold[VME_OPERATIONS];  // out: since the start
};

static inline vme_u32 vme_muted_place(vme_u64 mm)
{
	return (vme_u32)((mm * 0x9e3779b97f4a7c15ULL) >> 54);
}

// Set by the loader at any time.
struct vme_control {
	vme_u32 epoch;   // counts the intervals
	vme_u32 target;  // sections that are recorded of each address space in an epoch, about
	vme_u32 one_in;  // if not 0, the weight for all, whatever they do
	vme_u32 least;   // else of every address space at most one in so many is recorded
	vme_u32 watch;  // counts the times that programs were attached: a section from before is unknown
	vme_u32 unseen;  // out: sections of address spaces for which there was no room
	vme_u32 refused;  // out: calls refused to address spaces that are gone, for which the ring had no room
	vme_u32 allowance;  // what each address space may cost in an epoch, in VME_COST_*; 0: anything
	vme_u32 lean;  // only the end of sections is attached: they are counted, and none is recorded
	vme_u64 counted;  // when the entries of address spaces were last read; all ones while they are
	vme_u32 recording;  // out: recorded sections that are open; stores matter to no other
	vme_u32 details;  // refused calls of one user that are told one by one in an epoch; 0: any number
	struct vme_muted muted[VME_MUTED];
};

// How call paths are recognized (bpf/read/paths.h), written by the loader: a node says which
// words of the stack to compare next, a leaf the id of the path.
#define VME_PATHS 32768
#define VME_PATH_WORDS 32
#define VME_PATH_LEVELS 40
#define VME_PATH_WINDOW 256  // words

struct vme_path {
	vme_u64 key;    // 0: nothing is here
	vme_u64 stack;  // of a leaf, with VME_STACK_KNOWN
	vme_u16 from;   // the window: words from sp
	vme_u16 span;   // words in it besides the first, below VME_PATH_WINDOW
	vme_u8 count;  // words of it that matter; of a node that only says `want`, none, and no register
	vme_u8 registers;  // those that matter, by enum vme_register
	vme_u16 far;  // pages from sp to a second part to copy, behind what `want` says; 0: none. Of an address space: not 0 if the stack's end is to be copied, too
	vme_u32 want;  // bytes to copy if the path is not known; of an address space, with VME_WANT_CHAIN
	vme_u8 words[VME_PATH_WORDS];  // from `from`
};

// Copies are followed by a part of the stack to which frame pointers lead, and the frame-pointer chain.
#define VME_WANT_CHAIN 0x80000000U

// Where a node may be, and in the places after it.
static inline vme_u32 vme_path_place(vme_u64 key)
{
	return (vme_u32)((key * 0x9e3779b97f4a7c15ULL) >> 49);
}

#define VME_SYSCALLS 512

struct vme_config {
	vme_u8 follow_children;
	vme_u8 read_before;  // sections carry the state before, too
	vme_u8 want_stacks;
	vme_u8 late_pgoff;   // __vma_adjust() stores before it has set the offset
	vme_u32 copy_bytes;  // how much of an unknown path's stack is copied; 0: frame pointers only
	vme_u32 reader_cpu;  // in place of a processor's number in what readers tell; 0 where nothing preempts them
	vme_u32 count_tables;  // how many page tables are read at most to count a range's present pages
	vme_u8 check_paths;               // copy the stack of a known path, too
	vme_u8 hold_cpu;                  // programs may be preempted here, and can prevent it
	vme_u8 outcome_by_rows;           // khugepaged_enter_vma() is not hooked
	vme_u8 everyone;                  // all address spaces are watched: mode/system.h
	vme_u8 operations[VME_SYSCALLS];  // by syscall number: the place in VMACore's Operation
	vme_u8 other;                     // the place of all numbers beyond
	vme_u8 stack;                     // the place of what is no syscall
	vme_u8 userfaultfd;               // the place of ioctl(2) with a request of userfaultfd
	vme_u8 may_be_refused
		[VME_OPERATIONS];  // by place: whether a section that changes nothing is examined
	vme_u8 may_downgrade
		[VME_OPERATIONS];  // by place: whether a section may end with its lock held for reading
};

// How physical memory is found (bpf/read/pages.h). In: a page of the loader's, and where the kernel has its table of
// swap areas. Out: the rest, 0 if it was not found.
struct vme_memory {
	vme_u64 address;
	vme_u64 frame;    // its number
	vme_u64 pattern;  // its first eight bytes
	vme_u64 swap_info;
	vme_u64 direct_map;    // where physical memory is mapped
	vme_u64 page_structs;  // where its struct pages are
	vme_u32 levels;        // of page tables
	vme_u32 swaps;         // in: whether anything is swapped to
};

#define VME_SNAPSHOT_ROWS 4096

// In and out: rows go into an array of VME_SNAPSHOT_ROWS, `from` says where to go on.
struct vme_snapshot {
	vme_u64 from;  // address to begin at
	vme_u64 mm;    // out: the address space's pointer, 0 without one (a kernel thread)
	vme_s32 pid;
	vme_s32 error;      // out: 0, -3 (ESRCH) if there is no such task, -16 (EBUSY): try again
	vme_u32 count;      // out: rows written; of a walk, records sent
	vme_u32 more;       // out: 1 if the array was full
	vme_u32 map_count;  // out
	vme_u32 reserved;
	vme_u64 sections;  // out: the count of changes, or VME_BUSY if it changed meanwhile
};

#define VME_BUSY 0xffffffffffffffffULL

// The iterator's output for each VMA, where there is no array.
struct vme_snapshot_row {
	vme_u64 mm;
	vme_u64 sections;  // as in vme_snapshot, when the row was read
	struct vme_row row;
};

// The iterator's output for each process that has an address space; more than one where the
// leader of the threads has ended.
struct vme_task {
	vme_u64 mm;
	vme_u64 started;  // nanoseconds since the machine did
	vme_u64 cgroup;   // id of the cgroup in the unified hierarchy, 0 if there is none
	vme_u32 tgid;
	vme_u32 namespace_pid;  // tgid in the process's own pid namespace
	vme_u32 uid;            // effective
	vme_u32 threads;
	vme_u32 map_count;
	// Who made the outermost user namespace that it is in, below the first; -1 (no user) in the first.
	vme_u32 namespace_maker;
	char comm[16];
};

_Static_assert(sizeof(struct vme_path) == 64, "a cache line each");
_Static_assert(sizeof(struct vme_memory) == 56, "shared");
_Static_assert(sizeof(struct vme_snapshot) == 48, "wire");
_Static_assert(sizeof(struct vme_task) == 64, "wire");

#endif
