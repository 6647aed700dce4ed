/// The facts about a boundary or a gap that a remedy is chosen by.
public struct Circumstances: Sendable {
    /// Facts that the two VMAs show.
    public struct Marks: OptionSet, Hashable, Sendable {
        /// A bit for each fact; no file holds them.
        public var rawValue: UInt32
        /// Facts by their bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// A few inaccessible pages beside memory: a guard.
        public static let guardPages = Marks(rawValue: 1 << 0)
        /// Many inaccessible pages: a reserve.
        public static let reserve = Marks(rawValue: 1 << 1)
        /// Both can be accessed, and one of them can be executed.
        public static let code = Marks(rawValue: 1 << 2)
        /// Both can be read, and one of them can be written.
        public static let barrier = Marks(rawValue: 1 << 3)
        /// One is shared, the other private.
        public static let sharing = Marks(rawValue: 1 << 4)
        /// One of them belongs to the heap of brk.
        public static let heap = Marks(rawValue: 1 << 5)
        /// Both are files' mappings.
        public static let files = Marks(rawValue: 1 << 6)
        /// Both are MAP_SHARED | MAP_ANONYMOUS.
        public static let sharedMemory = Marks(rawValue: 1 << 7)
        /// Both are files made by memfd_create.
        public static let memfd = Marks(rawValue: 1 << 8)
        /// Both are System V shared memory segments.
        public static let segment = Marks(rawValue: 1 << 9)
        /// Both are mappings of a device, or of a file that the kernel makes up: io_uring, perf events, DRM.
        public static let device = Marks(rawValue: 1 << 10)
        /// The same path, but opened twice.
        public static let reopened = Marks(rawValue: 1 << 11)
        /// The same part of the same file.
        public static let samePart = Marks(rawValue: 1 << 12)
        /// In the file, the right one ends where the left one begins: the pieces were mapped one by one, each below
        /// the last.
        public static let backwards = Marks(rawValue: 1 << 13)
        /// One of them is of huge pages (hugetlbfs).
        public static let hugePages = Marks(rawValue: 1 << 14)
        /// Both are private mappings of one file, as the parts of an executable or a shared object are.
        public static let image = Marks(rawValue: 1 << 15)
    }

    /// Between the two VMAs is unmapped space; else they touch.
    public var isGap = false
    /// The operation that left the boundary or the gap; nil where that was not seen.
    public var operation: Operation?
    /// All rules that keep the two apart; empty for a gap.
    public var blockers: Blockers = []
    /// What the two VMAs show beside their blockers.
    public var marks: Marks = []
    /// The names of the flags that differ; empty unless `flags` is among the blockers.
    public var flags: [String] = []
    /// Whose code made the call, where it is code that the reader rarely owns.
    public var owner: Owner?
}

extension Circumstances {
    /// - Parameters:
    ///   - isGap: between the two is a gap, not a boundary.
    ///   - operation: that left it; nil where that was not seen.
    ///   - blockers: all that keep the two apart; none for a gap.
    ///   - left: the VMA below it.
    ///   - right: the VMA above it.
    ///   - model: of the kernel, which names the flags.
    ///   - stack: the stack of the call that left it, innermost frame first; empty if there is none.
    ///   - path: the path of a file, as in `/proc/PID/maps`.
    public init(
        isGap: Bool = false, operation: Operation?, blockers: Blockers, left: VMA, right: VMA, model: KernelModel,
        stack: [String], path: (FileID) -> String?
    ) {
        self.init(isGap: isGap, operation: operation, blockers: blockers)
        let differing = left.flags.symmetricDifference(right.flags).subtracting(model.ignoredFlags)
        flags = blockers.contains(.flags) ? model.flagNames.of(differing) : []
        marks = Self.protection(left, right)
        marks.formUnion(Self.files(left, right, path))
        if left.traits.contains(.heap) || right.traits.contains(.heap) { marks.insert(.heap) }
        if left.traits.contains(.hugetlb) || right.traits.contains(.hugetlb) { marks.insert(.hugePages) }
        owner = Owner(stack)
        if owner == nil, !stack.isEmpty, stack.map(Frame.init).allSatisfy({ $0.isLibc || $0.isUnseen }) {
            owner = Self.libraryOwner(operation, left, right)
        }
    }

    private static func protection(_ left: VMA, _ right: VMA) -> Marks {
        let access: VMAFlags = [.read, .write, .exec]
        let (one, other) = (left.flags.intersection(access), right.flags.intersection(access))
        var marks: Marks = []
        if left.flags.contains(.mayShare) != right.flags.contains(.mayShare) { marks.insert(.sharing) }
        if one == other { return marks }
        if one.isEmpty || other.isEmpty {
            let (hidden, open) = one.isEmpty ? (left, right) : (right, left)
            marks.insert(hidden.guards(open) ? .guardPages : .reserve)
        } else if one.contains(.exec) != other.contains(.exec) {
            marks.insert(.code)
        } else if one.contains(.read), other.contains(.read) {
            marks.insert(.barrier)
        }
        return marks
    }

    private static func files(_ left: VMA, _ right: VMA, _ path: (FileID) -> String?) -> Marks {
        guard !left.isAnonymous, !right.isAnonymous else { return [] }
        var marks: Marks = [.files]
        let paths = [left, right].map { path($0.file) ?? "" }
        func all(_ test: (String) -> Bool) -> Bool { paths.allSatisfy(test) }
        if all({ $0.hasPrefix("/dev/zero") }) { marks.insert(.sharedMemory) }
        if all({ $0.hasPrefix("/memfd:") || $0.hasPrefix("memfd:") }) { marks.insert(.memfd) }
        if all({ $0.hasPrefix("/SYSV") || $0.hasPrefix("SYSV") }) { marks.insert(.segment) }
        if all({
            $0.hasPrefix("anon_inode:") || $0.hasPrefix("/anon_inode:") || $0.hasPrefix("[") || $0.hasPrefix("/[")
                || $0.hasPrefix("/dev/") && !$0.hasPrefix("/dev/zero") && !$0.hasPrefix("/dev/shm/")
                    && !$0.hasPrefix("/dev/hugepages/")
        }) {
            marks.insert(.device)
        }
        if left.file == right.file {
            if left.flags.union(right.flags).isDisjoint(with: .mayShare) { marks.insert(.image) }
            if left.pgoff == right.pgoff, left.range.pages == right.range.pages { marks.insert(.samePart) }
            if right.nextPgoff == left.pgoff { marks.insert(.backwards) }
        } else if paths[0] == paths[1], paths[0].hasPrefix("/"),
            marks.isDisjoint(with: [.sharedMemory, .memfd, .segment, .device]), !paths[0].hasSuffix(" (deleted)")
        {
            marks.insert(.reopened)
        }
        return marks
    }

    /// The owner where the stack shows only the C library: two uses of inaccessible memory can be recognized by their
    /// VMAs.
    private static func libraryOwner(_ operation: Operation?, _ left: VMA, _ right: VMA) -> Owner? {
        guard operation == .mprotect || operation == .mmap || operation == .munmap else { return nil }
        let access: VMAFlags = [.read, .write, .exec]
        let hidden = left.flags.isDisjoint(with: access) ? left : right
        let open = left.flags.isDisjoint(with: access) ? right : left
        guard hidden.isAnonymous, hidden.flags.isDisjoint(with: access), open.flags.isSuperset(of: [.read, .write]) else {
            return nil
        }
        // The heaps of an arena lie in 64 MiB of their own, at a multiple of that (HEAP_MAX_SIZE).
        let heap: UInt64 = 64 << 20
        if hidden.flags.contains(.noReserve), open.flags.contains(.noReserve), hidden.end % heap == 0 { return .malloc }
        // MAP_STACK sets VM_NOHUGEPAGE since 6.7.
        if hidden.flags.contains(.noHugePage), open.flags.contains(.noHugePage) { return .stacks }
        return nil
    }
}
