/// An id of a `struct anon_vma`. Ids are given in the order of appearance, and are the same in every process; 0 means
/// none.
public typealias AnonVMAID = UInt32
/// An id of a `struct file`: one path opened twice is two files, as for the kernel. 0 means none.
public typealias FileID = UInt32
/// An id of an address space (`struct mm_struct`); 0 means unknown, or several that are folded into one.
public typealias MMID = UInt32
/// An id of a call stack; 0 means none, `FrameTable.others` one for which there was no room.
public typealias StackID = UInt32

/// The attributes of one virtual memory area that the kernel's merge rules compare.
public struct VMA: Hashable, Sendable {
    /// Facts beside the flags.
    public struct Traits: OptionSet, Hashable, Sendable {
        /// The bits, which recordings hold: their meaning does not change.
        public var rawValue: UInt16
        /// Facts by their bits; a bit without a meaning is kept.
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// `list_is_singular(&vma->anon_vma_chain)`: not inherited through a fork.
        public static let chainSingular = Traits(rawValue: 1 << 0)
        /// `anon_vma->root == anon_vma`.
        public static let ownRoot = Traits(rawValue: 1 << 1)
        /// `anon_vma->num_children > 1`: a forked child's anon_vma hangs below.
        public static let hasChildren = Traits(rawValue: 1 << 2)
        /// The anon_vma is used by several VMAs.
        public static let sharedAnonVMA = Traits(rawValue: 1 << 3)
        /// `vm_ops->close` is set.
        public static let hasClose = Traits(rawValue: 1 << 4)
        /// The VMA lies between `mm->start_brk` and `mm->brk`.
        public static let heap = Traits(rawValue: 1 << 5)
        /// The VMA holds `mm->start_stack`.
        public static let stack = Traits(rawValue: 1 << 6)
        /// VM_HUGETLB, whose bit is not the same on every kernel.
        public static let hugetlb = Traits(rawValue: 1 << 7)
        /// The facts on the anon_vma could be read.
        public static let anonKnown = Traits(rawValue: 1 << 8)
        /// `anonPgoff` was read from the kernel: since 7.3 private pages of a file have an offset of their own.
        public static let hasAnonPgoff = Traits(rawValue: 1 << 9)
        /// A page of this VMA, which mremap is about to move from, is shared by KSM or with the swap cache.
        public static let pagesShared = Traits(rawValue: 1 << 10)
        /// Its pages may be shared so, and could not be examined.
        public static let pagesUnseen = Traits(rawValue: 1 << 11)
        /// Its pages were examined.
        public static let pagesSeen = Traits(rawValue: 1 << 12)
        /// The VMA ends at or below `mm->start_brk`, where brk does not look for a neighbour.
        public static let belowHeap = Traits(rawValue: 1 << 13)
        /// The kernel's own mapping, by the name of its `vm_special_mapping`; with `vvar` it is `[vvar_vclock]`.
        public static let vdso = Traits(rawValue: 1 << 14)
        /// The same for `[vvar]`.
        public static let vvar = Traits(rawValue: 1 << 15)

        static let ofAnonVMA: Traits = [
            .chainSingular, .ownRoot, .hasChildren, .sharedAnonVMA, .anonKnown,
        ]
    }

    /// `vm_start` and `vm_end`.
    public var range: AddressRange
    /// The offset in pages of 4096 bytes: into the file, or for anonymous memory the page number where it was first
    /// mapped.
    public var pgoff: UInt64
    /// `vm_flags`.
    public var flags: VMAFlags
    /// `vma->anon_vma`; 0 until a page is written to, or a fork or a merge brings one.
    public var anonVMA: AnonVMAID
    /// Stands for the `struct file *`: one path opened twice is two files, as for the kernel.
    public var file: FileID
    /// An id of what `mpol_equal` compares of `vma->vm_policy`; 0 for the process's own policy.
    public var policy: UInt32
    /// An id of the userfaultfd context; 0 if none is registered.
    public var uffd: UInt32
    /// An id of the name given by prctl(PR_SET_VMA); 0 for none. `Observer.names` has the texts.
    public var name: UInt32
    /// The offset in pages at which private pages are found (`vma_start_anon_pgoff`), if `hasAnonPgoff` is set.
    public var anonPgoff: UInt64
    /// What else the kernel compares, and what remedies are chosen by.
    public var traits: Traits

    /// A VMA that is anonymous, unnamed and without a policy of its own, unless the later arguments say otherwise. Offsets
    /// are in pages of 4096 bytes; an id of 0 means none.
    public init(
        _ range: AddressRange, pgoff: UInt64, flags: VMAFlags, anonVMA: AnonVMAID = 0,
        file: FileID = 0, policy: UInt32 = 0, uffd: UInt32 = 0, name: UInt32 = 0,
        anonPgoff: UInt64 = 0, traits: Traits = []
    ) {
        self.range = range
        self.pgoff = pgoff
        self.flags = flags
        self.anonVMA = anonVMA
        self.file = file
        self.policy = policy
        self.uffd = uffd
        self.name = name
        self.anonPgoff = anonPgoff
        self.traits = traits
    }

    /// The first address.
    public var start: UInt64 { range.start }
    /// The address behind the last one.
    public var end: UInt64 { range.end }
    /// Whether no file is mapped. Shared anonymous memory is a file to the kernel.
    public var isAnonymous: Bool { file == 0 }

    /// A page, or a few if they are fewer than what they guard, that nobody may access: larger pieces are
    /// reserves.
    func guards(_ other: VMA) -> Bool {
        isAnonymous && flags.isDisjoint(with: [.read, .write, .exec]) && range.pages <= 16
            && (range.pages == 1 || 2 * range.pages <= other.range.pages)
    }

    /// The offset that a VMA right after this one needs to continue it.
    public var nextPgoff: UInt64 { pgoff &+ range.pages }

    var nextAnonPgoff: UInt64 { anonPgoff &+ range.pages }

    /// A file's private mapping: what is written to becomes anonymous (`is_cow_mapping`).
    var copiesFileOnWrite: Bool {
        !isAnonymous && flags.intersection([.shared, .mayWrite]) == .mayWrite
    }

    /// The offset at an address inside.
    public func pgoff(at address: UInt64) -> UInt64 {
        pgoff &+ (address &- start) >> AddressRange.pageShift
    }

    /// The part inside `cut`; the offset goes along.
    public func clipped(to cut: AddressRange) -> VMA {
        var part = self
        part.range = range.intersection(cut)
        part.pgoff = pgoff(at: part.range.start)
        if hasOwnAnonPgoff { part.anonPgoff = anonPgoff &+ (part.pgoff &- pgoff) }
        return part
    }

    /// Whether this is what page faults make of `other` (`expand_downwards`): some kernels, such as 6.3, grow a mapping
    /// with the mmap_lock held for reading, and no write section tells of it.
    func hasGrown(from other: VMA) -> Bool {
        flags.contains(.growsDown) && start < other.start && end == other.end
            && clipped(to: other.range).sameMapping(as: other)
    }

    /// Equal in all that makes a layout; an anon_vma may have come since, by a page fault,
    /// which takes no write lock and tells nobody.
    public func sameMapping(as other: VMA) -> Bool {
        let ignored = VMAFlags.silent
        return range == other.range && pgoff == other.pgoff && file == other.file
            && flags.subtracting(ignored) == other.flags.subtracting(ignored)
            && policy == other.policy && uffd == other.uffd && name == other.name
            && anonPgoff == other.anonPgoff
    }
}
