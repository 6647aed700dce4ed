/// What somebody can do about a boundary, or a gap, of one kind, to lower the count. Advice that is followed and
/// changes nothing is no remedy.
public struct Remedy: Sendable {
    /// The name in `explain` and in JSON.
    public var slug: String
    /// The blocker that has to go first; nil for a gap.
    public var blocker: Blockers?
    /// One sentence: what to do.
    public var advice: String
    /// Why that helps, and what it costs.
    public var reason: String

    // The conditions; the first row whose conditions hold counts.
    var operations: Set<Operation> = []
    var marks: Circumstances.Marks = []
    /// Any of these flags differs; `*` at the end stands for any ending.
    var flags: [String] = []
    var owner: Owner?

    init(
        _ slug: String, _ blocker: Blockers?, owner: Owner? = nil, operations: Set<Operation> = [],
        marks: Circumstances.Marks = [], flags: [String] = [], _ advice: String, _ reason: String
    ) {
        self.slug = slug
        self.blocker = blocker
        self.owner = owner
        self.operations = operations
        self.marks = marks
        self.flags = flags
        self.advice = advice
        self.reason = reason
    }

    func applies(to case: Circumstances) -> Bool {
        if let blocker {
            guard !`case`.isGap, `case`.blockers.isSuperset(of: blocker) else { return false }
        } else if !`case`.isGap {
            return false
        }
        if let owner, `case`.owner != owner { return false }
        if !operations.isEmpty {
            guard let operation = `case`.operation, operations.contains(operation) else { return false }
        }
        guard `case`.marks.isSuperset(of: marks) else { return false }
        return flags.isEmpty
            || flags.contains { pattern in
                `case`.flags.contains { pattern.last == "*" ? $0.hasPrefix(pattern.dropLast()) : $0 == pattern }
            }
    }
}

/// Remedies by circumstances. Code that the reader rarely owns comes first, since nothing else can be done about it;
/// then blockers in the order in which they have to go. VMAs of two files, or of two protections, stay apart whatever
/// their offsets and anon_vmas are; where protections or files differ on purpose, offsets and anon_vmas differ as a
/// consequence.
public enum Remedies {
    /// The first row whose conditions hold; nil if nothing keeps the two apart.
    public static func remedy(for case: Circumstances) -> Remedy? { table.first { $0.applies(to: `case`) } }

    /// Of the blockers of a pair, the one that has to go first.
    public static func first(of blockers: Blockers) -> Blockers {
        order.first { blockers.contains($0) } ?? blockers
    }

    private static let order: [Blockers] = [
        .special, .close, .file, .protection, .flags, .policy, .uffd, .name, .nomem, .fileOffset, .pgoff, .anonVMA,
    ]

    /// The remedies for a blocker, or for gaps (nil), in the table's order.
    public static func remedies(about blocker: Blockers?) -> [Remedy] { table.filter { $0.blocker == blocker } }

    /// All remedies. The first row that applies counts.
    public static let table: [Remedy] = owners + gaps + files + protections + flags + others + offsets

    private static let owners: [Remedy] = [
        Remedy(
            "malloc-arenas", .protection, owner: .malloc,
            "Set MALLOC_ARENA_MAX=1, or lower M_MMAP_THRESHOLD: each arena heap is 2 VMAs.",
            "glibc gives threads arenas of their own, which grow in heaps of 64 MiB: what is used is writable, the rest is "
                + "PROT_NONE. The main arena grows by brk, in one VMA; blocks beyond the threshold are mapped by themselves, "
                + "and merge. Threads then share a lock. Another allocator, or a higher vm.max_map_count (about 200 bytes of "
                + "kernel memory a VMA), helps, too."),
        Remedy(
            "thread-stacks", .protection, owner: .threads,
            "Run fewer threads (a pool), or use pthread_attr_setguardsize(0): each is 2 VMAs.",
            "A thread has a stack and a guard page, which glibc protects by PROT_NONE (up to 2.41). End or join what is not "
                + "needed any more. Without a guard the stacks merge, and an overflow is not caught."),
        Remedy(
            "stacks", .protection, owner: .stacks,
            "Run fewer threads or fibers (a pool): each has a stack and a guard, 2 VMAs.",
            "End or join what is not needed any more. Where the guards are your own, MADV_GUARD_INSTALL (Linux 6.13 on) makes them "
                + "without a VMA; those of threads go with pthread_attr_setguardsize(0)."),
        Remedy(
            "fibers", .protection, owner: .fibers, marks: .guardPages,
            "Have fewer fibers and threads at a time: each has a stack and a guard, 2 VMAs.",
            "The interpreter maps them, and its stack sizes change nothing in that. Let fibers end that wait for nothing, "
                + "or work off a queue with some of them; else raise vm.max_map_count."),
        Remedy(
            "jvm-threads", .protection, owner: .jvmStacks,
            "Run fewer threads (a pool, or virtual threads): each has guard zones, 2 VMAs.",
            "A JVM protects the end of each thread's stack. -Xss changes the size of a stack, not how many VMAs it is. "
                + "Virtual threads (Java 21) have their stacks in the heap."),
        Remedy(
            "jvm", .protection, owner: .jvm,
            "Set -Xms to -Xmx, use fewer threads; for ZGC raise vm.max_map_count.",
            "A JVM commits parts of reserved memory one by one, and gives each thread guard pages. A heap that is committed as "
                + "a whole is one VMA. ZGC maps its pages one by one: it documents a higher vm.max_map_count."),
        Remedy(
            "dotnet", .protection, owner: .dotnet,
            "Set DOTNET_EnableWriteXorExecute=0, or raise vm.max_map_count.",
            "Since .NET 7 each piece of code is mapped twice, writable and executable. The variable takes that back, and its protection."
        ),
        Remedy(
            "v8", .protection, owner: .v8,
            "Start fewer isolates and workers: V8 protects its pages one by one.",
            "Each isolate has a heap of pages of 256 KiB, and code that changes between writable and executable."),
        Remedy(
            "go-huge-pages", .flags, owner: .go, flags: ["VM_HUGEPAGE", "VM_NOHUGEPAGE"],
            "Build it with Go 1.21.4 or later, which leaves the advice on huge pages alone.",
            "Earlier versions advised MADV_HUGEPAGE and MADV_NOHUGEPAGE span by span."),
        Remedy(
            "boehm-unmap", .protection, owner: .boehm,
            "Set GC_UNMAP_THRESHOLD=0, so that the collector does not unmap free blocks.",
            "What it gives back lies between what is used, and each is a VMA. Version 8.2 gives memory back by madvise, "
                + "which leaves the VMA whole."),
        Remedy(
            "mimalloc-commit", .anonVMA, owner: .mimalloc,
            "Set MIMALLOC_ARENA_EAGER_COMMIT=1, so that an arena is committed as a whole.",
            "Slices that are committed and touched in any order have anon_vmas of their own."),
        Remedy(
            "ffi-closures", .protection, owner: .libffi,
            "Free closures (callbacks) that are not needed: they are mapped page by page.",
            "libffi maps one file twice, writable and executable. A closure that is made anew for each call leaks."),
        Remedy(
            "shared-objects", .protection, owner: .loader,
            "Load fewer shared objects: each has four or five VMAs.",
            "Code, constants and data of an object have different protections. Link what is always loaded into fewer objects."),
    ]

    private static let gaps: [Remedy] = [
        Remedy(
            "gaps-malloc", nil, owner: .malloc,
            "Set M_MMAP_THRESHOLD higher, so that blocks are not unmapped one by one.",
            "Blocks that are mapped by themselves leave a gap when they are freed between others."),
        Remedy(
            "gaps-jemalloc", nil, owner: .jemalloc,
            "Set MALLOC_CONF=retain:true, so that jemalloc keeps what it has mapped.",
            "With retain:false it unmaps what is free, between what is not. What it retains costs address space alone: the "
                + "memory goes back by madvise."),
        Remedy(
            "gaps-v8", nil, owner: .v8,
            "Start fewer isolates and workers: V8 maps its pages apart.",
            "Each page of a heap is aligned to its size, by mapping more and unmapping the ends."),
        Remedy(
            "gaps-shrink", nil, operations: [.mremap],
            "Map blocks in the size they keep: what mremap cuts off or moves leaves a gap.",
            "Blocks of the right size lie side by side, and merge. Read into one buffer that is used again, and copy. "
                + "MADV_DONTNEED gives the rest back without a gap."),
        Remedy(
            "gaps-unmap", nil, operations: [.munmap],
            "Map larger pieces, and unmap them whole: what lies between gaps is a VMA.",
            "Alignment by mapping too much and unmapping the ends leaves a gap beside each piece: take aligned pieces from one "
                + "arena. MADV_DONTNEED gives memory back without a gap."),
        Remedy(
            "gaps", nil,
            "Map larger pieces, side by side: what lies between gaps is a VMA.",
            "Memory merges only with what touches it. An arena that is mapped as a whole is one VMA."),
    ]

    private static let files: [Remedy] = [
        Remedy(
            "aio-contexts", .special, operations: [.aio],
            "Share contexts of asynchronous I/O: io_setup maps a ring for each of them.",
            "One context serves many queues and files. Call io_destroy for those that are not used any more."),
        Remedy(
            "device-buffers", .special,
            "Map fewer and larger buffers: mappings of a device never merge.",
            "The kernel treats such mappings one by one (VM_SPECIAL). Cut buffers from one large mapping, or unmap those that are cached."
        ),
        Remedy(
            "attach-once", .close, marks: .segment,
            "Attach the segment once, and give shmdt the address that shmat returned.",
            "Each shmat is an open file of its own, and wants to be told of its end, so it never merges."),
        Remedy(
            "huge-pages", .close, marks: .hugePages,
            "Map one large piece of huge pages in place of many.",
            "The file system of huge pages wants to be told of the end of each mapping."),
        Remedy(
            "one-piece", .close, "Map one large piece in place of many.",
            "The driver of these mappings wants to be told of the end of each (vm_ops->close)."),
        Remedy(
            "shared-memory", .file, marks: .sharedMemory,
            "Map one large shared piece and cut it up: each MAP_SHARED|MAP_ANONYMOUS is a file.",
            "The kernel makes a file for each such mapping, so no two of them merge. A memfd that is mapped by consecutive offsets does."
        ),
        Remedy(
            "one-memfd", .file, marks: .memfd,
            "Put the pieces into one memfd, mapped in the order of their offsets.",
            "Two memfds are two files, whatever they are called."),
        Remedy(
            "attach-segment-once", .file, marks: .segment,
            "Attach each segment once, and use one large segment in place of many.",
            "Each shmat is an open file of its own."),
        Remedy(
            "device-files", .file, marks: .device, "Map fewer and larger buffers, through one descriptor.",
            "Each descriptor of a device is a file of its own."),
        Remedy(
            "one-descriptor", .file, marks: .reopened,
            "Map through one descriptor: a file opened twice is two files to the kernel.",
            "It compares open files (struct file), not paths."),
        Remedy(
            "fewer-files", .file, marks: .files,
            "Put many objects into one file, or unmap those not in use: two files are two VMAs.",
            "Nothing merges mappings of different files. Where so many are needed, raise vm.max_map_count: a VMA takes about "
                + "200 bytes of kernel memory, and more time for each fault and each fork."),
        Remedy(
            "files-apart", .file,
            "Map files beside files, and memory beside memory: in turn each is a VMA.",
            "A file beside anonymous memory can't merge; memory beside memory can."),
    ]

    private static let protections: [Remedy] = [
        Remedy(
            "coarse-barrier", .protection, operations: [.mprotect], marks: .barrier,
            "Protect larger units, or use UFFDIO_WRITEPROTECT, which splits no VMA.",
            "A write barrier by mprotect makes a VMA of each page that is written between two cycles. With userfaultfd the protection is in "
                + "the page tables (anonymous memory since Linux 5.7, shared since 5.19)."),
        Remedy(
            "shared-objects", .protection, marks: .image,
            "Load fewer shared objects: each has four or five VMAs.",
            "Code, constants and data of an object have different protections. Link what is always loaded into fewer objects."),
        Remedy(
            "map-twice-whole", .protection, marks: [.code, .files],
            "Map the file twice as a whole, once to write and once to run, not page by page.",
            "Pages that are writable and executable in turn never merge; two mappings of all of it are two VMAs. Free what is not used any more."
        ),
        Remedy(
            "code-region", .protection, marks: [.code, .heap],
            "Take code from a region of its own, not malloc's; undo mprotect before free.",
            "What was once made executable stays so, in the middle of the heap."),
        Remedy(
            "code-apart", .protection, marks: .code,
            "Keep code in one region, and change the protection of all of it, not page by page.",
            "Code and data that lie in turn are two VMAs each."),
        Remedy(
            "guard-install", .protection, marks: .guardPages,
            "Make guard pages by MADV_GUARD_INSTALL (Linux 6.13 on): then they are no VMAs.",
            "It marks the pages in the page tables, and the memory around them stays one VMA."),
        Remedy(
            "decommit", .protection, operations: [.mmap], marks: .reserve,
            "Reserve one region, and give memory back by MADV_DONTNEED, not PROT_NONE.",
            "What is committed and what is not are two VMAs, as often as they lie in turn. Fewer and larger pieces, or pieces that are used "
                + "again, are fewer VMAs; so is memory that is committed from one end."),
        Remedy(
            "commit-in-order", .protection, marks: .reserve,
            "Commit a reserve from one end, or as a whole: each piece in it is 2 VMAs.",
            "Memory that is mapped readable and writable with MAP_NORESERVE costs nothing until it is touched."),
        Remedy(
            "one-sharing", .protection, marks: .sharing,
            "Map shared memory beside shared, and private beside private.",
            "MAP_SHARED and MAP_PRIVATE never merge."),
        Remedy(
            "one-protection", .protection,
            "Keep memory of one protection together, and change it in large pieces.",
            "Two protections are two VMAs, as often as they lie in turn."),
    ]

    private static let flags: [Remedy] = [
        Remedy(
            "dofork", .flags, flags: ["VM_DONTCOPY"],
            "Undo it by MADV_DOFORK when the buffer is freed, or advise the whole pool.",
            "MADV_DONTFORK (VM_DONTCOPY) stays until it is taken back. Libraries for RDMA set it when memory is registered."),
        Remedy(
            "map-stack", .flags, operations: [.mmap], flags: ["VM_NOHUGEPAGE"],
            "Leave out MAP_STACK (it sets VM_NOHUGEPAGE since 6.7), or keep stacks together.",
            "Up to 6.6 the flag did nothing. A stack grows no differently without it."),
        Remedy(
            "one-huge-page-advice", .flags, flags: ["VM_HUGEPAGE", "VM_NOHUGEPAGE"],
            "Give all of the heap one advice: nothing takes MADV_(NO)HUGEPAGE back.",
            "A heap that is advised span by span has three kinds of memory for good. PR_SET_THP_DISABLE, or the setting in "
                + "/sys/kernel/mm/transparent_hugepage, holds for all without a mark."),
        Remedy(
            "protection-keys", .flags, flags: ["VM_PKEY*"],
            "Keep memory of one protection key together: a change of key is a VMA by design.",
            "pkey_mprotect gives a range its key, which is in the VMA. Slots that take turns are as many VMAs."),
        Remedy(
            "uffd-whole", .flags, flags: ["VM_UFFD*"],
            "Register the whole region with userfaultfd in one range.",
            "What is registered, and for what, is in the VMA's flags. To protect pages of what is registered (UFFDIO_WRITEPROTECT) splits nothing."
        ),
        Remedy(
            "seal-whole", .flags, flags: ["VM_SEALED"],
            "Seal whole regions by one mseal each, not page by page.",
            "What is sealed stays so for good, and merges only with what is sealed, too."),
        Remedy(
            "lock-whole", .flags, flags: ["VM_LOCKED*", "VM_LOCKONFAULT"],
            "Lock the whole region, or all memory by mlockall: not page by page.",
            "Memory that is locked does not merge with what is not. munlock takes it back."),
        Remedy(
            "one-merge-advice", .flags, flags: ["VM_MERGEABLE"],
            "Advise the whole region MADV_MERGEABLE, or the process (PR_SET_MEMORY_MERGE).",
            "MADV_UNMERGEABLE takes it back."),
        Remedy(
            "dodump", .flags, flags: ["VM_DONTDUMP"],
            "Advise the whole region MADV_DONTDUMP, or take it back by MADV_DODUMP.",
            "What is left out of core dumps does not merge with what is not."),
        Remedy(
            "keep-on-fork", .flags, flags: ["VM_WIPEONFORK"],
            "Keep what is MADV_WIPEONFORK together, or take it back by MADV_KEEPONFORK.",
            "What a child finds empty does not merge with what it inherits."),
        Remedy(
            "one-read-advice", .flags, flags: ["VM_RAND_READ", "VM_SEQ_READ"],
            "Advise the whole file, and take it back by MADV_NORMAL.",
            "MADV_RANDOM and MADV_SEQUENTIAL stay until they are taken back."),
        Remedy(
            "no-growsdown", .flags, flags: ["VM_GROWSDOWN"],
            "Leave out MAP_GROWSDOWN: map a stack at its full size.",
            "What grows by itself does not merge with what does not."),
        Remedy(
            "one-reservation", .flags, flags: ["VM_NORESERVE"],
            "Use MAP_NORESERVE for all of a region's mappings, or for none.",
            "It is in the VMA's flags (VM_NORESERVE, and VM_ACCOUNT for what is not)."),
        Remedy(
            "map-writable", .flags, flags: ["VM_ACCOUNT"],
            "Map memory writable from the start, even if it is protected later.",
            "What has once been writable keeps VM_ACCOUNT, and does not merge with what never was."),
        Remedy(
            "one-advice", .flags,
            "Give the same advice and locks to the whole region, or to none of it.",
            "These are madvise, mlock, mseal, and flags of mmap."),
    ]

    private static let others: [Remedy] = [
        Remedy(
            "one-policy", .policy,
            "Bind one arena as a whole by mbind, or the process by set_mempolicy.",
            "Memory that is bound piece by piece, with unbound pages between, is as many VMAs."),
        Remedy(
            "uffd-one-context", .uffd, "Register the whole region with one userfaultfd, in one range.",
            "What two userfaultfds watch, or one and none, stays apart."),
        Remedy(
            "one-name", .name, "Use one name per arena, not one per allocation (PR_SET_VMA_ANON_NAME).",
            "VMAs of two names never merge."),
        Remedy(
            "raise-limit", .nomem, "Raise vm.max_map_count, or free memory.", "The merge itself was allowed."),
    ]

    private static let offsets: [Remedy] = [
        Remedy(
            "map-once", .fileOffset, marks: .samePart,
            "Map the file once, and share that: the same part is mapped again and again.",
            "Two mappings of one part never continue each other."),
        Remedy(
            "map-forwards", .fileOffset, marks: .backwards,
            "Map the file as a whole: the kernel places each piece below the last.",
            "Offsets then rise where addresses fall. Or reserve a range, and map into it by MAP_FIXED in the order of the offsets."
        ),
        Remedy(
            "longer-runs", .fileOffset, marks: .memfd,
            "Remap longer runs, in the order of offsets: each jump in the file is a VMA.",
            "An arena in a memfd is one VMA as long as its offsets follow its addresses."),
        Remedy(
            "offsets-in-order", .fileOffset,
            "Map consecutive parts of the file at consecutive addresses.",
            "Then they are one VMA, however many calls it takes."),
        Remedy(
            "move-before-touch", .pgoff,
            "Move memory before it is touched, not after, or allocate its final size at once.",
            "mremap takes the page offset of touched memory along, which then fits no neighbour; moving it back to where it was "
                + "first mapped makes it fit again."),
        Remedy(
            "commit-whole", .anonVMA, operations: [.mprotect],
            "Commit the region by one mprotect, or piece by piece in order of address.",
            "What is touched on its own gets an anon_vma of its own, for good; beside a neighbour that has one it takes that over."
        ),
        Remedy(
            "advise-before-touch", .anonVMA,
            operations: [.madvise, .processMadvise, .mlock, .mbind, .prctl, .userfaultfd, .ioctl],
            "Advise or lock memory before any of it is touched, not piece by piece after.",
            "Pieces that differed when they were touched have anon_vmas of their own, and stay apart when they differ no more."),
        Remedy(
            "map-before-touch", .anonVMA,
            "Map the whole region before touching any part of it, and fill it from one end.",
            "What is touched on its own gets an anon_vma of its own, for good; in a forked child, map afresh."),
    ]
}
