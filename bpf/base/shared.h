// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What all programs share: the observed address spaces, the ring, and the scratch memory.
#ifndef VMASCOPE_SHARED_H
#define VMASCOPE_SHARED_H

#define TREE_NODE_WORDS 32
#define VMA_BYTES 512
#define ANON_VMA_BYTES 256

// Set by the loader before the programs are loaded; the verifier removes code that the settings
// switch off.
const volatile struct vme_config config SEC(".rodata.config") = {};

// The object is built three times, because a kernel refuses some calls to kfuncs even in code that is never
// reached, and the loader takes the first build that loads (Sources/VMAProbe/Load/Ways.swift):
//  - as it is;
//  - WITHOUT_CAST: bpf_rdonly_cast exists since 6.2, but 6.3 refuses to load its address, by which we ask
//    whether it does;
//  - and WITHOUT_KFUNCS: an absent weak kfunc becomes a call to id 0, which 5.15 refuses. And where the kernel
//    lacks a kfunc, libbpf (before 1.4) looks for it in the modules, and fails at that without CAP_SYS_ADMIN.
#ifndef WITHOUT_KFUNCS
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
#else
#define bpf_preempt_disable()
#define bpf_preempt_enable()
#endif

#ifndef WITHOUT_CAST
extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __weak;
#define HAS_CAST (bpf_rdonly_cast != 0)
#else
#define bpf_rdonly_cast(object, type) ((void *)0)
#define HAS_CAST 0
#endif

// A kernel object as a pointer whose type the verifier knows: where this exists (since 6.2), its
// fields are read by plain loads, which saves a helper's call for each (25 ns).
#define TYPED(type, pointer) \
	((type *)bpf_rdonly_cast((void *)(pointer), bpf_core_type_id_kernel(type)))

// The pointer is read first: a field that it is read from would be relocated, too.
#define FIELD(type, pointer, field)                             \
	({                                                      \
		type *object_ = (type *)(pointer);              \
		typeof(object_->field) value_;                  \
		if (HAS_CAST)                                   \
			value_ = TYPED(type, object_)->field;   \
		else                                            \
			value_ = BPF_CORE_READ(object_, field); \
		value_;                                         \
	})

// For a loop that calls a function: the verifier measures the stack on every path from call to
// call.
#define ROLLED _Pragma("nounroll")

static __always_inline u32 current_tid(void)
{
	return (u32)bpf_get_current_pid_tgid();
}

static __always_inline void section_opens(struct vme_owner *o)
{
	o->writer = current_tid();
	o->sections |= 1;
}

static __always_inline void section_closes(struct vme_owner *o)
{
	o->writer = 0;
	o->sections = (o->sections | 1) + 1;
}

// The observed address spaces: mm pointer to its owner.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u64);
	__type(value, struct vme_owner);
} tracked SEC(".maps");

// A filter before `tracked`, by vme_sieve_key(): whether an address space may be observed. A bit
// that is set stays set. Most address spaces that take their lock are not observed, and a look-up
// in `tracked` takes ten times as long.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VME_SIEVE);
	__type(key, u32);
	__type(value, u64);
} sieve SEC(".maps");

// Processes whose next exec is observed, too.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, u8);
} targets SEC(".maps");

// One ring for all CPUs: space is reserved under its lock, so records made under one mmap_lock
// keep the kernel's own order whatever CPU they come from.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} events SEC(".maps");

// The number that each CPU gives its next record, in memory that the loader can read at any time:
// a loss at the very end has no later record to show it.
struct number {
	u32 next;
	u32 apart[15];  // a cache line each
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries,
	       1);  // the loader knows how many CPUs there are; one more is for readers
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct number);
} numbers SEC(".maps");

// The things that have been sent once and are named by their key from then on: struct file
// pointer to inode pointer, hash of a name or a stack to 1. An entry that is pushed out is sent
// again.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u64);
	__type(value, u64);
} sent_once SEC(".maps");

// One slot of the tree: [lo, last] holds `vma`, or nothing.
struct place {
	u64 addr;  // what was looked for
	u64 node;  // encoded node to look into, then the slot's entry
	u64 lo;
	u64 last;
	u64 vma;
	u64 leaf;  // the last node looked into (scratch.node is a copy of it where that is needed)
	u64 leaf_lo;  // what that spans if it is a leaf; nothing if it is not
	u64 leaf_last;
	u64 slot;  // the slot of the leaf that was found, which ends at `last`
};

struct path_walk {
	u64 dentry;
	u64 mnt;
	u32 at;  // the path so far is file.path + at
	u32 reserved;
};

// Where an address space has its heap and stack.
struct areas {
	u64 start_brk, brk, start_stack;
};

// A range whose rows are being sent.
struct span {
	u64 mm;
	u64 lo;  // next address to read
	u64 hi;
	u32 tgid;
	u16 reason;
	u16 truncated;
	u32 first;
	u32 sent;   // records
	u32 edges;  // starts and ends of VMAs from `from` to `to`
	u64 from, to;
};

// The call path that is looked up.
struct path_search {
	u64 mm;
	u64 key;
	u64 stack;
	u64 registers[VME_REGISTERS];
	u32 want;         // bytes to copy
	u32 left;         // of them
	u32 is_urgent;    // of a call that was refused, which are few
	u32 wants_chain;  // the frame-pointer chain is to follow the copy
	u64 far;          // pages from sp to its second part
	u32 far_bytes;    // of that, still to come
	u32 reserved;
	u64 other;  // another stack, to which frame pointers lead
	u64 window[VME_PATH_WINDOW];
};

// Pages of a range that are looked at.
struct page_walk {
	u64 pgd;
	u64 at, end;
	u64 moved, moved_end;  // the part of it that is moved
	u32 found;             // enum vme_traits
	u32 looks_for_ksm;
	u32 present, zero, swapped;  // as in struct vme_counted
	u32 tables;                  // that were read
	u64 table, entry;            // where the walk is, and what was read last
	u64 others;                  // bits of what was read and is not present
	u64 pmd;  // the last table whose entries may be huge pages, and the 1 GiB that it spans
	u64 pmd_of;
	u64 entries[512 + 8];  // some zeros behind those that were read
};

#define WANTED_MAX 8

// Ranges whose pages are to be counted (read/wanted.h).
struct wanted {
	u32 looks;  // rows that are read are to be compared with the one before: enum wanted_looks
	u32 count;
	u64 lo, hi;  // what was changed
	u64 start[WANTED_MAX], end[WANTED_MAX];
	u64 has_left;
	struct vme_row left;  // the row before
};

// What functions work on is in here, too: before 5.12 one that is verified by itself can take
// numbers only.
struct scratch {
	u64 number;      // see number_of()
	u32 late_pgoff;  // a VMA's offset does not follow its start yet
	struct place place;
	struct vme_copy copy;  // not near the end: the verifier lets it be twice as long
	struct path_walk walk;
	struct span span;
	struct areas areas;
	struct vme_row row;
	u64 anon_name;  // where the row's name is
	u8 registers[PT_REGS_SIZE];
	u64 node[TREE_NODE_WORDS];
	struct page_walk pages;
	u64 source;  // the address of what an mremap moves, where rows are to have what is known of its pages
	u32 source_traits;  // that
	struct wanted wanted;
	struct vme_counted counted;
	u8 vma[VMA_BYTES];
	u8 anon_vma[ANON_VMA_BYTES];
	struct vme_file file;  // not last: the verifier lets a path component end 255 bytes beyond
	struct vme_rows rows;
	struct vme_attempt attempt;
	struct vme_commit commit;
	struct vme_life life;
	struct vme_name name;
	struct vme_calls stack;
	struct path_search path;
	struct vme_tally tally;
	struct vme_refusal refusal;
	struct vme_answer answer;
	struct vme_owner newcomer;
	struct vme_flow flow;
	struct vme_user user;
};

// Since 7.2 a program at a tracepoint may be preempted by another one that would write to the
// same scratch memory. A program at a kprobe may not.
static __always_inline void hold_cpu(void)
{
	if (config.hold_cpu)
		bpf_preempt_disable();
}

static __always_inline void let_cpu_go(void)
{
	if (config.hold_cpu)
		bpf_preempt_enable();
}

// The data are too large for the stack. One program at a time uses them: all run in process
// context, and none is preempted while it does.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

// The task that reads a layout, our own; 0 if none does, and where nothing preempts a program.
static volatile u64 reader;

static __always_inline bool is_reader(void)
{
	u64 task = reader;

	// Mostly nobody reads, and then there is no helper to call: this is asked several times for each row.
	return config.reader_cpu && task && task == bpf_get_current_task();
}

// The element of a map that has one.
static __always_inline void *only(void *map)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

static __always_inline struct scratch *scratch(void)
{
	u32 which = is_reader();
	return bpf_map_lookup_elem(&scratches, &which);
}

static __always_inline void reading_begins(void)
{
	if (config.reader_cpu)
		reader = bpf_get_current_task();
}

static __always_inline void reading_ends(void)
{
	if (config.reader_cpu)
		reader = 0;
}

// All address spaces, where all are watched: mm pointer to its counts.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct vme_flow);
} flows SEC(".maps");

static __always_inline struct vme_flow *flow_of(u64 mm)
{
	return bpf_map_lookup_elem(&flows, &mm);
}

static __always_inline struct vme_owner *owner_of(u64 mm)
{
	u32 key = vme_sieve_key(mm);
	u64 *passes;

	if (config.everyone) {
		struct vme_flow *f = flow_of(mm);

		return f ? &f->owner : 0;
	}
	passes = bpf_map_lookup_elem(&sieve, &key);
	return passes && *passes ? bpf_map_lookup_elem(&tracked, &mm) : 0;
}

// Observes `mm` from now on.
static __always_inline void observe(u64 mm, u32 tgid)
{
	struct scratch *s = scratch();
	u32 key = vme_sieve_key(mm);
	u64 passes = 1;

	if (!s)
		return;
	__builtin_memset(&s->newcomer, 0, sizeof(s->newcomer));
	s->newcomer.tgid = tgid;
	bpf_map_update_elem(&sieve, &key, &passes, BPF_ANY);
	bpf_map_update_elem(&tracked, &mm, &s->newcomer, BPF_ANY);
}

// VME_BUSY while a write section is open.
static __always_inline u64 sections_of(u64 mm)
{
	struct vme_owner *o = owner_of(mm);
	u64 sections = o ? *(volatile u64 *)&o->sections : 0;

	return sections & 1 ? VME_BUSY : sections;
}

// A reader, which may be preempted between any two instructions, has numbers of its own.
static __always_inline u32 numbering(void)
{
	return is_reader() ? config.reader_cpu : bpf_get_smp_processor_id();
}

static __always_inline u32 take_number(u32 cpu)
{
	struct number *number = bpf_map_lookup_elem(&numbers, &cpu);

	return number ? number->next++ : 0;
}

// The number is taken before space is reserved, so a record that finds no space leaves a gap in
// the numbers.
static __always_inline void begin(struct vme_header *h, u16 kind, u64 mm, u32 tgid)
{
	u32 cpu = numbering();

	h->kind = kind;
	h->cpu = cpu;
	h->seq = take_number(cpu);
	h->time = bpf_ktime_get_ns();
	h->mm = mm;
	h->tgid = tgid;
	h->tid = current_tid();
}

// No wake-up per record (5 us each): the loader looks every few milliseconds.
// Returns false if there was no space.
static __always_inline bool emit(void *record, u64 size)
{
	return !bpf_ringbuf_output(&events, record, size, BPF_RB_NO_WAKEUP);
}

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

static __always_inline u64 mix(u64 hash, u64 value)
{
	return (hash ^ value) * FNV_PRIME;
}

// A typed pointer of the verifier's as a plain number, as values that are found in the tree are.
static __always_inline u64 number_of(struct scratch *s, const void *pointer)
{
	*(volatile u64 *)&s->number = (u64)pointer;
	return *(volatile u64 *)&s->number;
}

static __always_inline u64 as_number(const void *pointer)
{
	struct scratch *s = scratch();

	return s ? number_of(s, pointer) : 0;
}

static __always_inline u64 current_mm(void)
{
	return as_number(FIELD(struct task_struct, bpf_get_current_task(), mm));
}

static __always_inline void *copied(void *copy, u64 size, u64 address)
{
	return bpf_probe_read_kernel(copy, size, (void *)address) ? 0 : copy;
}

// The object that many fields are read from: a kernel object itself, or a copy of it where its
// fields can't be read by loads; 0 if no copy can be made. Pointers read from it may have a type:
// number_of().
#define OBJECT(type, address, copy) \
	(HAS_CAST ? TYPED(type, address) : (type *)copied(copy, bpf_core_type_size(type), address))

#endif
