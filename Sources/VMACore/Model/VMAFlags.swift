/// `vm_flags` as the kernel has them (include/linux/mm.h, x86-64). `FlagNames` has their names.
public struct VMAFlags: OptionSet, Hashable, Sendable {
    /// The bits of `vm_flags`.
    public var rawValue: UInt64
    /// Flags by the kernel's bits; a bit that has no name here is kept.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// VM_READ
    public static let read = VMAFlags(rawValue: 0x1)
    /// VM_WRITE
    public static let write = VMAFlags(rawValue: 0x2)
    /// VM_EXEC
    public static let exec = VMAFlags(rawValue: 0x4)
    /// VM_SHARED: a mapping that is shared and may be written to.
    public static let shared = VMAFlags(rawValue: 0x8)
    /// VM_MAYREAD: mprotect may set VM_READ. So with the next two.
    public static let mayRead = VMAFlags(rawValue: 0x10)
    /// VM_MAYWRITE
    public static let mayWrite = VMAFlags(rawValue: 0x20)
    /// VM_MAYEXEC
    public static let mayExec = VMAFlags(rawValue: 0x40)
    /// VM_MAYSHARE: MAP_SHARED, also where nobody may write.
    public static let mayShare = VMAFlags(rawValue: 0x80)
    /// VM_GROWSDOWN: a page fault just below the mapping lowers its start.
    public static let growsDown = VMAFlags(rawValue: 0x100)
    /// VM_PFNMAP: pages without a `struct page`, such as a device's.
    public static let pfnMap = VMAFlags(rawValue: 0x400)
    /// VM_MAYBE_GUARD: guard pages were installed, by MADV_GUARD_INSTALL (since 7.2; VM_DENYWRITE up to 5.14).
    public static let maybeGuard = VMAFlags(rawValue: 0x800)
    /// VM_LOCKED: mlock.
    public static let locked = VMAFlags(rawValue: 0x2000)
    /// VM_IO: a device's memory.
    public static let io = VMAFlags(rawValue: 0x4000)
    /// VM_SEQ_READ: MADV_SEQUENTIAL.
    public static let sequentialRead = VMAFlags(rawValue: 0x8000)
    /// VM_RAND_READ: MADV_RANDOM.
    public static let randomRead = VMAFlags(rawValue: 0x1_0000)
    /// VM_DONTCOPY: MADV_DONTFORK.
    public static let dontCopy = VMAFlags(rawValue: 0x20000)
    /// VM_DONTEXPAND: mremap may not make it larger.
    public static let dontExpand = VMAFlags(rawValue: 0x40000)
    /// VM_ACCOUNT: counts as committed memory.
    public static let account = VMAFlags(rawValue: 0x100000)
    /// VM_NORESERVE: MAP_NORESERVE.
    public static let noReserve = VMAFlags(rawValue: 0x20_0000)
    /// VM_WIPEONFORK: MADV_WIPEONFORK.
    public static let wipeOnFork = VMAFlags(rawValue: 0x200_0000)
    /// VM_HUGEPAGE: MADV_HUGEPAGE.
    public static let hugePage = VMAFlags(rawValue: 0x2000_0000)
    /// VM_NOHUGEPAGE: MADV_NOHUGEPAGE, and MAP_STACK since 6.7.
    public static let noHugePage = VMAFlags(rawValue: 0x4000_0000)
    /// VM_DONTDUMP: MADV_DONTDUMP.
    public static let dontDump = VMAFlags(rawValue: 0x400_0000)
    /// VM_SOFTDIRTY: written to since `/proc/PID/clear_refs` was.
    public static let softDirty = VMAFlags(rawValue: 0x800_0000)
    /// VM_MERGEABLE: KSM, asked for by MADV_MERGEABLE or PR_SET_MEMORY_MERGE.
    public static let mergeable = VMAFlags(rawValue: 0x8000_0000)
    /// VM_MIXEDMAP: pages with and without a `struct page`.
    public static let mixedMap = VMAFlags(rawValue: 0x1000_0000)

    /// VM_SEALED: mseal. Its bit moved; the other one has no other meaning where a kernel knows mseal.
    static let sealed: VMAFlags = [VMAFlags(rawValue: 1 << 42), VMAFlags(rawValue: 1 << 63)]

    /// What `mprotect` and `MAP_SHARED` decide.
    public static let protection: VMAFlags = [.read, .write, .exec, .shared]
    /// Never merged (`VM_SPECIAL`).
    public static let special: VMAFlags = [.io, .dontExpand, .pfnMap, .mixedMap]

    /// Set without the mmap_lock held for writing: by clear_refs and page faults, and by
    /// MADV_GUARD_INSTALL.
    static let silent: VMAFlags = [.softDirty, .maybeGuard]

    /// The set bits by name, lowest first; those that stayed what they are by `FlagNames.standard`.
    public var bitNames: [String] { FlagNames.standard.of(self) }

    /// As in `/proc/PID/maps`: `rw-p`.
    public var protectionText: String {
        (contains(.read) ? "r" : "-") + (contains(.write) ? "w" : "-")
            + (contains(.exec) ? "x" : "-") + (contains(.mayShare) ? "s" : "p")
    }
}
