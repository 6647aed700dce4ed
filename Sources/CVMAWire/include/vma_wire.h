// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause
//
// The wire: every record that the BPF programs write and the loader reads.
// One header, included by both sides, so that there is nothing to keep in step by hand.
//
// All integers are little endian, addresses are bytes, offsets (`pgoff`) are pages of 4096 bytes,
// times are CLOCK_MONOTONIC nanoseconds. Kernel pointers stay inside: the loader turns them into
// small ids, and no report ever shows one.
#ifndef VMA_EVENT_H
#define VMA_EVENT_H

#ifdef __bpf__
typedef unsigned char vme_u8;
typedef unsigned short vme_u16;
typedef unsigned int vme_u32;
typedef int vme_s32;
typedef unsigned long long vme_u64;
typedef long long vme_s64;
#else
#include <stdint.h>
typedef uint8_t vme_u8;
typedef uint16_t vme_u16;
typedef uint32_t vme_u32;
typedef int32_t vme_s32;
typedef uint64_t vme_u64;
typedef int64_t vme_s64;
#endif

// Explicit numbers: a recording outlives the build that made it. Append only.
enum vme_kind {
	VME_ROWS = 1,     // struct vme_rows: what a range of an address space holds now
	VME_SECTION = 2,  // struct vme_section: a write section of an mmap_lock has ended
	VME_ATTEMPT = 3,  // struct vme_attempt: the kernel considers a merge
	VME_COMMIT = 4,   // struct vme_commit: the kernel carries a merge out
	VME_FORK = 5,     // struct vme_life: `mm` is the child's, `other_mm` the parent's
	VME_EXEC = 6,     // struct vme_life: `mm` is the process's new one
	VME_EXIT = 7,     // struct vme_life: the address space `mm` is gone
	VME_FILE = 8,     // struct vme_file: the path of a file seen for the first time
	VME_NAME = 9,     // struct vme_name: the text of an anonymous VMA name
	VME_CALLS = 10,   // struct vme_calls: a user stack seen for the first time
	VME_TALLY = 11,   // struct vme_tally: what was counted of `mm`, which is gone
	VME_COPY = 12,    // struct vme_copy: a piece of a user stack, to be unwound
	VME_REFUSAL =
		32,  // struct vme_refusal: a call that would have changed VMAs, and changed nothing
	VME_ANSWER = 33,   // struct vme_answer: what the kernel answered to the thread's last one
	VME_COUNTED = 34,  // struct vme_counted: how many pages of a range are present
};

// Every record begins so. `seq` counts the records of one CPU and is taken before space in
// the ring is reserved: a gap in it proves a lost record.
struct vme_header {
	vme_u16 kind;
	vme_u16 cpu;
	vme_u32 seq;
	vme_u64 time;
	vme_u64 mm;
	vme_u32 tgid;
	vme_u32 tid;
};

// What the kernel holds of one VMA, besides its flags.
enum vme_traits {
	VME_CHAIN_SINGULAR = 1 << 0,  // list_is_singular(&vma->anon_vma_chain)
	VME_ANON_OWN_ROOT = 1 << 1,   // anon_vma->root == anon_vma
	VME_ANON_CHILDREN = 1 << 2,   // anon_vma->num_children > 1: a forked child hangs below it
	VME_ANON_SHARED = 1 << 3,     // anon_vma->num_active_vmas > 1: several VMAs use it
	VME_HAS_CLOSE = 1 << 4,       // vma->vm_ops->close is set
	VME_HEAP = 1 << 5,            // lies between mm->start_brk and mm->brk
	VME_STACK = 1 << 6,           // holds mm->start_stack
	VME_HUGETLB = 1 << 7,         // VM_HUGETLB, whose bit is not the same on every kernel
	VME_ANON_KNOWN = 1 << 8,      // the anon_vma fields above were readable
	VME_ANON_PGOFF = 1 << 9,      // anon_pgoff is the kernel's
	VME_PAGES_SHARED =
		1 << 10,  // of a VMA that is moved: KSM or the swap cache has a page of it
	VME_PAGES_UNSEEN = 1 << 11,  // may have
	VME_PAGES_SEEN = 1 << 12,    // was looked at
	VME_BELOW_HEAP = 1 << 13,    // ends at or below mm->start_brk
	VME_VDSO = 1 << 14,          // the kernel's own mappings, by their names
	VME_VVAR = 1 << 15,
	VME_VVAR_VCLOCK = 3 << 14,
};

struct vme_row {
	vme_u64 start;
	vme_u64 end;
	vme_u64 pgoff;
	vme_u64 flags;       // vm_flags
	vme_u64 anon_vma;    // pointer or 0
	vme_u64 file;        // struct file pointer or 0: the kernel compares exactly this
	vme_u64 policy;      // hash over what mpol_equal() compares, or 0
	vme_u64 uffd;        // userfaultfd context pointer or 0
	vme_u64 name;        // hash of the anonymous name, or 0
	vme_u64 anon_pgoff;  // where private pages are found, on kernels that keep it apart
	vme_u32 traits;      // enum vme_traits
	vme_u32 inode;  // of the file's inode pointer: tells it from a file that had the same one before
};

enum vme_reason {
	VME_BEFORE = 1,    // read when a write section began
	VME_AFTER = 2,     // read when it ended
	VME_FORKED = 3,    // one VMA of a child being copied
	VME_IMAGE = 4,     // the whole new address space after an exec
	VME_AUDIT = 5,     // the whole address space as it stands at exit: to compare, not to apply
	VME_SNAPSHOT = 6,  // read from outside, row by row, not under a lock
	VME_GROWN = 7,     // a stack has grown, under the lock for reading
};

#define VME_ROWS_MAX 16

// [lo, hi) holds exactly these `count` rows and nothing else.
struct vme_rows {
	struct vme_header h;
	vme_u64 lo;
	vme_u64 hi;
	vme_u32 count;
	vme_u16 reason;
	vme_u16 truncated;  // there was more than could be read: [hi, …) is unknown
	struct vme_row rows[VME_ROWS_MAX];
};

// One holder of a mmap_lock for writing has let go. `nr` and `args` are the syscall's,
// nr < 0 outside a syscall (a page fault that grows a stack).
struct vme_section {
	struct vme_header h;
	vme_s32 nr;
	vme_u32 one_in;  // its weight: the chance was 1 in so many; 0 if all are recorded
	vme_u64 stack;   // key of a struct vme_calls sent before, or 0
	vme_u64 args[6];
	vme_u64 lo, hi;    // first range that was read before and after; empty if lo >= hi
	vme_u64 lo2, hi2;  // second one (the destination of a move)
	vme_u32 writes;    // tree writes seen
	vme_u32 flags;     // enum vme_section_flags
	vme_s32 growth;    // what the section added to mm->map_count; 0 where all are recorded
	vme_u32 reserved;
};

enum vme_section_flags {
	VME_FOREIGN = 1 << 0,  // the address space is not the caller's own
	VME_COMPAT = 1 << 1,   // a 32-bit task: `nr` counts otherwise
	VME_INCOMPLETE =
		1 << 2,  // not seen from its beginning, or more rows than could be read: resync
};

// Which function considered the merge. Append only.
enum vme_site {
	VME_SITE_VMA_MERGE = 1,    // vma_merge(), up to 6.2
	VME_SITE_MMAP_REGION = 2,  // mmap_region() that merges by itself, 6.1 to 6.11
	VME_SITE_BRK = 3,          // do_brk_flags() that merges by itself, 6.1 to 6.11
	VME_SITE_NEW_RANGE = 4,    // vma_merge_new_range(), since 6.12
	VME_SITE_MODIFY = 5,       // vma_modify(), since 6.12
	VME_SITE_ITERATED =
		6,  // vma_merge(), from 6.3 to 6.11: khugepaged_enter_vma() tells the outcome
	VME_SITE_ITERATED_ROWS = 7,  // the same where that does not exist: the section's rows tell
};

enum vme_attempt_flags {
	VME_HAS_PREV = 1 << 0,
	VME_HAS_NEXT = 1 << 1,
	VME_HAS_MIDDLE = 1 << 2,  // the VMA that is (in part) to be changed, or moved
};

// One call of a function that considers merging [proposed.start, proposed.end) with its
// neighbours, with all that the kernel looks at. The neighbours are given whole, as they stand.
struct vme_attempt {
	struct vme_header h;
	vme_s32 nr;
	vme_u32 site;
	vme_u32 flags;  // enum vme_attempt_flags
	vme_u32 reserved;
	vme_u64 stack;  // key of a struct vme_calls sent before, or 0
	vme_u64 args[6];
	struct vme_row proposed;
	struct vme_row prev;
	struct vme_row next;
	struct vme_row middle;
};

// A merge that is being carried out: after it one VMA holds [start, end). Or, where `end` is
// where the proposed range begins, it shrinks the VMA before that to [start, end), and the
// neighbour behind the range takes it over. After VME_SITE_ITERATED any VMA may be told, which is the
// merged one if it holds the proposed range and more.
struct vme_commit {
	struct vme_header h;
	vme_u64 start;
	vme_u64 end;
};

struct vme_life {
	struct vme_header h;
	vme_u64 other_mm;
	vme_u32 other_tgid;
	vme_u32 reserved;
	char comm[16];
};

#define VME_PATH_MAX 512

// `path` is written from its end backwards; `at` is where it begins.
struct vme_file {
	struct vme_header h;
	vme_u64 file;
	vme_u32 inode;  // as in its rows
	vme_u32 at;
	vme_u64 number;      // i_ino
	vme_u32 device;      // s_dev, as the kernel has it: 12 bits and 20
	vme_u32 magic;       // of its file system
	vme_u32 flags;       // enum vme_file_flags
	vme_u32 generation;  // i_generation: of those that have had this number
	vme_u64 size;        // i_size
	vme_u64 modified;    // i_mtime in nanoseconds, modulo 2^64; 0 if it is not known
	char path[VME_PATH_MAX];
};

enum vme_file_flags {
	VME_FILE_PSEUDO = 1 << 0,   // it is in no tree: `path` is the name that the kernel gave it
	VME_FILE_DELETED = 1 << 1,  // its last name is gone
	VME_FILE_CUT = 1 << 2,      // `path` is the end of its path only
};

#define VME_NAME_MAX 80

struct vme_name {
	struct vme_header h;
	vme_u64 name;
	char text[VME_NAME_MAX];
};

#define VME_CALLS_MAX 64

// Return addresses, innermost first. `key` is a hash over them.
struct vme_calls {
	struct vme_header h;
	vme_u64 key;
	vme_u32 count;
	vme_u32 reserved;
	vme_u64 addresses[VME_CALLS_MAX];
};

// What `stack` of a section or an attempt is: the key of a struct vme_calls, or, by its highest bits,
// one of these.
#define VME_STACK_KNOWN (1ULL << 63)    // the rest is the name that the loader has given to a path
#define VME_STACK_COPIED (1ULL << 62)   // the key of a struct vme_copy
#define VME_STACK_THINNED (3ULL << 62)  // not copied, to spare the ring

enum vme_register {
	VME_IP,
	VME_SP,
	VME_BP,
	VME_BX,
	VME_R12,
	VME_R13,
	VME_R14,
	VME_R15,
	VME_REGISTERS
};

#define VME_COPY_BYTES 4096
#define VME_COPY_CHAIN \
	0xffffffffU  // the `offset` of a copy's last piece, if that is the frame-pointer chain
#define VME_CHAIN_MAX 120  // addresses of that

// The registers with which a thread entered the kernel, and a piece of its stack from sp + `offset`
// on. The pieces of a copy come in order, among other CPUs' records; those of pages that are not there do not come. What is in it may be secret: it
// goes no further than to where it is unwound.
struct vme_copy {
	struct vme_header h;
	vme_u64 key;
	vme_u64 path;  // where the path begins in the tree of those that are known (struct vme_path)
	vme_u64 space;  // where that says how much of an unknown path of this address space is copied
	vme_u64 registers[VME_REGISTERS];
	vme_u32 asked;  // bytes that were to be copied, of all pieces
	vme_u32 rest;  // the stack goes on behind them, and more would be copied if the loader wanted it
	vme_u32 offset;
	vme_u32 count;  // bytes of this piece
	vme_u32 more;   // another piece follows
	vme_u32 known;  // what the path is called, where known ones are copied, too, to see whether that is so
	vme_u64 other;  // where the bytes are, if they are of another stack, to which a frame pointer leads; else 0
	vme_u8 bytes[VME_COPY_BYTES];
};

// What is counted of an address space where all are watched and few sections are told: exact,
// for it is counted under the mmap_lock itself.
enum vme_outcome {
	VME_SAME = 0,  // as many VMAs as before the section
	VME_FEWER = 1,
	VME_MORE = 2,
	VME_OUTCOMES = 3,
};

#define VME_OPERATIONS 32  // by their place in VMACore's Operation

struct vme_counts {
	vme_u64 sections[VME_OPERATIONS][VME_OUTCOMES];
	vme_u64 attempts[VME_OPERATIONS];  // where the functions that consider a merge are hooked
	vme_u64 merged[VME_OPERATIONS];    // calls of the function that carries it out
	vme_u64 told;                      // sections that were recorded (struct vme_section)
	vme_u64 skipped;                   // sections that are in none of these counts
};

struct vme_tally {
	struct vme_header h;
	vme_u64 born;  // tells it from others that had the same `mm`
	struct vme_counts counts;
};

// A call that would have changed VMAs, in a section that left as many as it found, and stored to none. Whether it
// was refused, and why, is judged from this, and from the answer where somebody listens for it.
struct vme_refusal {
	struct vme_header h;
	vme_s32 nr;
	vme_u32 count;  // calls that this stands for: the others were too many to record
	vme_u64 stack;
	vme_u64 args[6];
	vme_u64 brk;       // mm->brk after it
	vme_u64 total_vm;  // of the address space, in pages; so are the next two
	vme_u64 data_vm;
	vme_u64 locked_vm;
	vme_u64 limit_as;  // RLIMIT_AS in bytes; so are the next two
	vme_u64 limit_data;
	vme_u64 limit_locked;  // RLIMIT_MEMLOCK
	vme_u64 flags_at;  // vm_flags of the VMA at the first argument after it, and VME_IS_MAPPED; 0 if there is none
	vme_u64 def_flags;  // mm->def_flags: VM_LOCKED after mlockall(MCL_FUTURE)
	vme_u32 map_count;
	vme_u32 map_limit;  // vm.max_map_count
};

#define VME_IS_MAPPED (1ULL << 63)

struct vme_answer {
	struct vme_header h;
	vme_s64 result;  // what the call returned, or -errno
	vme_s32 nr;
	vme_u32 reserved;
};

// Pages of a range of anonymous memory that is moved, or that a merge with a neighbour would have changed, by the
// page tables. Pages that are neither of these were never touched, or given back.
struct vme_counted {
	struct vme_header h;
	vme_u64 start;
	vme_u64 end;
	vme_u32 present;  // with a frame of their own
	vme_u32 zero;     // read, and never written: the page of zeros
	vme_u32 swapped;
	vme_u32 partial;  // not all of the range was looked at: each number is a lower bound
};

_Static_assert(sizeof(struct vme_counted) == 64, "wire");
_Static_assert(sizeof(struct vme_refusal) == 176, "wire");
_Static_assert(sizeof(struct vme_answer) == 48, "wire");
_Static_assert(sizeof(struct vme_header) == 32, "wire");
_Static_assert(sizeof(struct vme_row) == 88, "wire");
_Static_assert(sizeof(struct vme_rows) == 56 + VME_ROWS_MAX * 88, "wire");
_Static_assert(sizeof(struct vme_section) == 144, "wire");
_Static_assert(sizeof(struct vme_attempt) == 456, "wire");
_Static_assert(sizeof(struct vme_commit) == 48, "wire");
_Static_assert(sizeof(struct vme_life) == 64, "wire");
_Static_assert(sizeof(struct vme_file) == 88 + VME_PATH_MAX, "wire");
_Static_assert(sizeof(struct vme_tally) == 40 + sizeof(struct vme_counts), "wire");
_Static_assert(sizeof(struct vme_calls) == 48 + VME_CALLS_MAX * 8, "wire");
_Static_assert(sizeof(struct vme_copy) == 152 + VME_COPY_BYTES, "wire");
_Static_assert(sizeof(struct vme_name) == 40 + VME_NAME_MAX, "wire");

#endif
