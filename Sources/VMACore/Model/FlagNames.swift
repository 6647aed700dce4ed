/// Which bit of `vm_flags` has which name on a kernel. Some bits moved between kernels: 11 was VM_DENYWRITE
/// up to 5.14 and is VM_MAYBE_GUARD since 7.2, and those above 35 had several meanings.
public struct FlagNames: Sendable, Equatable {
    /// Names by bit; bits that are not in it have their standard name.
    public private(set) var learned: [Int: String]

    /// Nothing was learned: bits that only ever meant one thing have a name, others print as `bit N`.
    public static let standard = FlagNames()

    /// - Parameter learned: names by bit; those that are standard are left out.
    public init(learned: [Int: String] = [:]) { self.learned = learned.filter { Self.fixed($0.key) != $0.value } }

    /// The names of the bits that are set, lowest first.
    public func of(_ flags: VMAFlags) -> [String] {
        (0 ..< 64).compactMap { flags.rawValue & 1 << UInt64($0) == 0 ? nil : name($0) }
    }

    private func name(_ bit: Int) -> String { learned[bit] ?? Self.fixed(bit) ?? "bit \(bit)" }

    private static func fixed(_ bit: Int) -> String? {
        low.indices.contains(bit) ? low[bit].isEmpty ? nil : low[bit] : high[bit]
    }

    private static let low: [String] = [
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

    /// 37 was VM_UFFD_MINOR before it was VM_SHADOW_STACK.
    private static let high = [
        38: "VM_UFFD_MINOR", 39: "VM_ALLOW_ANY_UNCACHED", 40: "VM_DROPPABLE", 42: "VM_SEALED", 63: "VM_SEALED",
    ]

    // MARK: learning

    /// The flags of one VMA as the kernel has them, and the letters of `VmFlags` in /proc/PID/smaps: two letters for
    /// each flag, lowest bit first, except for the protection key, which has a line of its own.
    public struct Sample: Sendable {
        /// `vm_flags`.
        public var flags: VMAFlags
        /// The two letters of each flag, lowest bit first.
        public var letters: [String]

        /// One VMA, read both ways; `letters` has two letters for each flag, lowest bit first.
        public init(flags: VMAFlags, letters: [String]) {
            self.flags = flags
            self.letters = letters
        }
    }

    /// Learns names from samples. A sample with another number of bits than of letters shows nothing, nor does a bit
    /// on which samples disagree.
    public init(learning samples: [Sample]) {
        var found: [Int: String] = [:]
        var doubtful: Set<Int> = []
        for sample in samples {
            var bits = (0 ..< 64).filter { sample.flags.rawValue & 1 << UInt64($0) != 0 }
            if bits.count != sample.letters.count { bits.removeAll(where: Self.keys.contains) }
            guard bits.count == sample.letters.count else { continue }
            for (bit, letters) in zip(bits, sample.letters) {
                guard let name = Self.letters[letters] else { continue }
                if found.updateValue(name, forKey: bit) ?? name != name { doubtful.insert(bit) }
            }
        }
        for bit in doubtful { found[bit] = nil }
        // VM_SHADOW_STACK took the bit that VM_UFFD_MINOR had before.
        if found[38] == "VM_UFFD_MINOR", found[37] == nil { found[37] = "VM_SHADOW_STACK" }
        self.init(learned: found)
    }

    private static let keys = 32 ... 36

    /// `show_smap_vma_flags` in fs/proc/task_mmu.c.
    private static let letters = [
        "rd": "VM_READ", "wr": "VM_WRITE", "ex": "VM_EXEC", "sh": "VM_SHARED", "mr": "VM_MAYREAD", "mw": "VM_MAYWRITE",
        "me": "VM_MAYEXEC", "ms": "VM_MAYSHARE", "gd": "VM_GROWSDOWN", "pf": "VM_PFNMAP", "dw": "VM_DENYWRITE",
        "gu": "VM_MAYBE_GUARD", "lo": "VM_LOCKED", "io": "VM_IO", "sr": "VM_SEQ_READ", "rr": "VM_RAND_READ",
        "dc": "VM_DONTCOPY", "de": "VM_DONTEXPAND", "lf": "VM_LOCKONFAULT", "ac": "VM_ACCOUNT", "nr": "VM_NORESERVE",
        "ht": "VM_HUGETLB", "sf": "VM_SYNC", "wf": "VM_WIPEONFORK", "dd": "VM_DONTDUMP", "sd": "VM_SOFTDIRTY",
        "mm": "VM_MIXEDMAP", "hg": "VM_HUGEPAGE", "nh": "VM_NOHUGEPAGE", "mg": "VM_MERGEABLE", "um": "VM_UFFD_MISSING",
        "uw": "VM_UFFD_WP", "ui": "VM_UFFD_MINOR", "ss": "VM_SHADOW_STACK", "sl": "VM_SEALED", "dp": "VM_DROPPABLE",
    ]
}
