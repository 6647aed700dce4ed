/// `vm_flags` as the kernel has them (include/linux/mm.h, x86-64). `FlagNames` has their names.
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
    public static let noReserve = VMAFlags(rawValue: 0x20_0000)
    public static let noHugePage = VMAFlags(rawValue: 0x4000_0000)
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

    /// The set bits by name, lowest first; those that stayed what they are by `FlagNames.standard`.
    public var bitNames: [String] { FlagNames.standard.of(self) }

    /// As in `/proc/PID/maps`: `rw-p`.
    public var protectionText: String {
        (contains(.read) ? "r" : "-") + (contains(.write) ? "w" : "-")
            + (contains(.exec) ? "x" : "-") + (contains(.mayShare) ? "s" : "p")
    }
}
