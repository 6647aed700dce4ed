/// `vm_flags` as the kernel has them (include/linux/mm.h, x86-64). Bits above 31 moved between
/// kernels, and bit 11 was VM_DENYWRITE up to 5.14 and is VM_MAYBE_GUARD since 7.2, so only those
/// that stayed what they are have a name; others print as `bit N`.
public struct VMAFlags: OptionSet, Hashable, Sendable {
    public var rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let read = VMAFlags(rawValue: 0x1)
    public static let write = VMAFlags(rawValue: 0x2)
    public static let exec = VMAFlags(rawValue: 0x4)
    public static let shared = VMAFlags(rawValue: 0x8)
    public static let mayRead = VMAFlags(rawValue: 0x10)
    public static let mayWrite = VMAFlags(rawValue: 0x20)
    public static let mayExec = VMAFlags(rawValue: 0x40)
    public static let mayShare = VMAFlags(rawValue: 0x80)
    public static let pfnMap = VMAFlags(rawValue: 0x400)
    public static let maybeGuard = VMAFlags(rawValue: 0x800)
    public static let locked = VMAFlags(rawValue: 0x2000)
    public static let io = VMAFlags(rawValue: 0x4000)
    public static let dontCopy = VMAFlags(rawValue: 0x20000)
    public static let dontExpand = VMAFlags(rawValue: 0x40000)
    public static let account = VMAFlags(rawValue: 0x100000)
    public static let dontDump = VMAFlags(rawValue: 0x400_0000)
    public static let softDirty = VMAFlags(rawValue: 0x800_0000)
    public static let mergeable = VMAFlags(rawValue: 0x8000_0000)
    public static let mixedMap = VMAFlags(rawValue: 0x1000_0000)

    /// What `mprotect` and `MAP_SHARED` decide.
    public static let protection: VMAFlags = [.read, .write, .exec, .shared]
    /// Never merged (`VM_SPECIAL`).
    public static let special: VMAFlags = [.io, .dontExpand, .pfnMap, .mixedMap]

    /// Set without the mmap_lock held for writing: by clear_refs and page faults, and by
    /// MADV_GUARD_INSTALL.
    static let silent: VMAFlags = [.softDirty, .maybeGuard]

    private static let names: [String] = [
        "VM_READ", "VM_WRITE", "VM_EXEC", "VM_SHARED",
        "VM_MAYREAD", "VM_MAYWRITE", "VM_MAYEXEC", "VM_MAYSHARE",
        "VM_GROWSDOWN", "VM_UFFD_MISSING", "VM_PFNMAP", "",
        "VM_UFFD_WP", "VM_LOCKED", "VM_IO", "VM_SEQ_READ",
        "VM_RAND_READ", "VM_DONTCOPY", "VM_DONTEXPAND", "VM_LOCKONFAULT",
        "VM_ACCOUNT", "VM_NORESERVE", "VM_HUGETLB", "VM_SYNC",
        "VM_PAT", "VM_WIPEONFORK", "VM_DONTDUMP", "VM_SOFTDIRTY",
        "VM_MIXEDMAP", "VM_HUGEPAGE", "VM_NOHUGEPAGE", "VM_MERGEABLE",
        "VM_PKEY_BIT0", "VM_PKEY_BIT1", "VM_PKEY_BIT2", "VM_PKEY_BIT3",
    ]

    /// The set bits by name, lowest first.
    public var bitNames: [String] {
        (0..<64).compactMap { bit in
            guard rawValue & (1 << UInt64(bit)) != 0 else { return nil }
            return bit < Self.names.count && !Self.names[bit].isEmpty ? Self.names[bit] : "bit \(bit)"
        }
    }

    /// As in `/proc/PID/maps`: `rw-p`.
    public var protectionText: String {
        (contains(.read) ? "r" : "-") + (contains(.write) ? "w" : "-")
            + (contains(.exec) ? "x" : "-") + (contains(.mayShare) ? "s" : "p")
    }
}
