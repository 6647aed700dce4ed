// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Every kernel field that vmascope reads, and no other. The structs are minimal: CO-RE relocates
// each access to where the running kernel has the field, so order and padding here mean nothing.
// bpf_core_field_exists tells whether the kernel has a field that not all kernels have.
#ifndef VMASCOPE_KERNEL_H
#define VMASCOPE_KERNEL_H

#define __VMLINUX_H__  // keep libbpf's headers from wanting a full vmlinux.h

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;
typedef _Bool bool;
enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_F_USER_STACK = 256 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct rb_node {
	struct rb_node *rb_right, *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

// Without CONFIG_PREEMPT_RT.
struct rw_semaphore {
	atomic64_t count;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp;
};

struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	void *parent;
	unsigned long pivot[15];
};

struct ma_state {
	struct maple_tree *tree;
	unsigned long index;
	unsigned long last;
};

struct mm_struct {
	struct maple_tree mm_mt;  // since 6.1, commit d4af56c5c7c6
	atomic_t mm_users;
	int map_count;
	void *pgd;
	struct {
	} mmap_lock;  // only its place matters
	unsigned long start_brk, brk, start_stack;
	unsigned long total_vm, data_vm, locked_vm, def_flags;
};

// Up to 6.0, commit 763ecb035029.
struct mm_struct___rb {
	struct rb_root mm_rb;
};

struct vm_area_struct___rb {
	struct rb_node vm_rb;
};

typedef struct seqcount {
	unsigned int sequence;
} seqcount_t;

// Odd while the lock is held for writing; a mere number up to 6.13, commit eb449bd96954.
struct mm_struct___seqcount {
	seqcount_t mm_lock_seq;
};

// With CONFIG_ANON_VMA_NAME; since 5.17, commit 9a10064f5625. The text follows the struct.
struct anon_vma_name {
	char name[0];
};

struct userfaultfd_ctx;
struct vm_userfaultfd_ctx {
	struct userfaultfd_ctx *ctx;  // absent without CONFIG_USERFAULTFD
};

typedef struct {
	unsigned long bits[1];
} nodemask_t;

struct mempolicy {
	unsigned short mode;
	unsigned short flags;
	nodemask_t nodes;  // a member of union v up to 5.13
	int home_node;     // since 5.17, commit c6018b4b2549
};

struct vm_area_struct;

struct vm_operations_struct {
	void (*close)(struct vm_area_struct *);
	const char *(*name)(struct vm_area_struct *);
};

// vm_private_data of what the kernel maps for itself (mm/mmap.c, special_mapping_name).
struct vm_special_mapping {
	const char *name;
};

struct anon_vma {
	struct anon_vma *root;
	unsigned long num_children;     // with num_active_vmas since 6.0, commit 2555283eb40d,
	unsigned long num_active_vmas;  // and in stable kernels before
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
	u32 i_generation;
	s64 i_size;
	s64 i_mtime_sec;  // since 6.11, commit 3aa63a569c64
	u32 i_mtime_nsec;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

// From 6.7, commit 12cd44023651, to 6.10.
struct inode___between {
	struct timespec64 __i_mtime;
};

// Up to 6.6.
struct inode___before {
	struct timespec64 i_mtime;
};

struct qstr {
	u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;  // in no list once its last name is gone
	struct dentry *d_parent;
	struct qstr d_name;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	struct list_head anon_vma_chain;
	struct anon_vma *anon_vma;
	const struct vm_operations_struct *vm_ops;
	unsigned long vm_pgoff;
	struct file *vm_file;
	void *vm_private_data;
	struct mempolicy *vm_policy;  // absent without CONFIG_NUMA
	// Up to 6.1 in a union with `shared`, and so only good without a file; of its own since
	// 6.2, commit d09e8ca6cb93, and absent without CONFIG_ANON_VMA_NAME.
	struct anon_vma_name *anon_name;
	struct {
		struct rb_node rb;
	} shared;
	struct vm_userfaultfd_ctx vm_userfaultfd_ctx;
	// Since 7.3: where private pages are found, apart from the offset into the file.
	unsigned int __vm_anon_pgoff_lo, __vm_anon_pgoff_hi;
};

// mm/vma.h since 6.12, commit 2f1c6611b0a8: all that a merge is judged by.
struct vma_merge_struct {
	struct mm_struct *mm;
	unsigned long start, end, pgoff;
	unsigned long vm_flags;
	struct file *file;
	struct anon_vma *anon_vma;
	struct mempolicy *policy;
	struct vm_userfaultfd_ctx uffd_ctx;
	struct anon_vma_name *anon_name;
	unsigned long anon_pgoff;  // since 7.3
};

// Up to 6.16.
struct vma_merge_struct___flags {
	unsigned long flags;
};

struct vm_struct {
	void **pages;
};

struct address_space;

// The names that struct folio gives to a page's fields since 5.16.
struct page {
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount;
};

struct folio {
	struct address_space *mapping;
	unsigned long index;
	atomic_t _mapcount;
};

struct swap_cluster_info {
	void *table;  // since 6.18
};

struct swap_info_struct {
	unsigned char *swap_map;
	struct swap_cluster_info *cluster_info;
};

struct swap_table {
	unsigned long entries[512];
};

struct thread_info {
	u32 status;
};

struct rlimit {
	unsigned long rlim_cur, rlim_max;  // whole: it is an element of an array
};

struct signal_struct {
	atomic_t live;  // threads
	int nr_threads;
	struct rlimit rlim[16];
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	u32 val;
} kuid_t;

struct user_namespace {
	struct user_namespace *parent;
	kuid_t owner;
};

// An array of two words up to 6.2.
typedef struct {
	u64 val;
} kernel_cap_t;

struct cred {
	kuid_t euid;
	kernel_cap_t cap_effective;
	struct user_namespace *user_ns;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	struct vm_struct *stack_vm_area;  // absent without CONFIG_VMAP_STACK
	struct task_struct *real_parent, *group_leader;
	struct list_head children, sibling;
	struct signal_struct *signal;
	unsigned int flags;
	int pid, tgid;
	struct mm_struct *mm;
	u64 start_boottime;
	struct pid *thread_pid;
	struct cred *real_cred, *cred;
	struct css_set *cgroups;  // absent without CONFIG_CGROUPS
	char comm[16];
};

// perf's record of a tracepoint (include/trace/stages/stage1_struct_define.h).
struct trace_event_raw_mmap_lock_acquire_returned {
	struct mm_struct *mm;
	bool write, success;
};

struct trace_event_raw_mmap_lock {
	struct mm_struct *mm;
	bool write;
};

struct trace_event_raw_ma_write {
	unsigned long index, last;
	void *val;
};

struct trace_event_raw_sched_process_fork {
	int child_pid;
};

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

// To ask whether a helper exists; since 5.15.
enum bpf_func_id {
	BPF_FUNC_task_pt_regs = 175,
};

// Kernel constants that BTF does not carry.
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096
#define THREAD_SIZE 16384
#define PT_REGS_SIZE 168
#define PF_KTHREAD 0x00200000
#define RWSEM_WRITER_LOCKED 1
#define TS_COMPAT 0x0002
#define CAP_IPC_LOCK 14
#define RLIMIT_DATA 2
#define RLIMIT_MEMLOCK 8
#define RLIMIT_AS 9
#define VM_HUGETLB 0x00400000UL

#endif
