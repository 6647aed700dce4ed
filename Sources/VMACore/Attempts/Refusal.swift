/// A call that would have changed VMAs and changed nothing, with the facts that the kernel compares before it
/// refuses.
public struct Refusal: Sendable {
    /// The kernel's counts and limits at the time of the call.
    public struct Facts: Sendable, Equatable {
        /// `mm->map_count`.
        public var mapCount: UInt64 = 0
        /// sysctl `vm.max_map_count`.
        public var mapLimit: UInt64 = 0
        /// Pages of the address space (`mm->total_vm`).
        public var totalPages: UInt64 = 0
        /// Pages of private writable memory (`mm->data_vm`), which RLIMIT_DATA limits.
        public var dataPages: UInt64 = 0
        /// Pages of locked memory (`mm->locked_vm`), which RLIMIT_MEMLOCK limits.
        public var lockedPages: UInt64 = 0
        /// RLIMIT_AS in bytes; `.max` means that there is no limit.
        public var limitOfSpace = UInt64.max
        /// RLIMIT_DATA in bytes; `.max` means that there is no limit.
        public var limitOfData = UInt64.max
        /// RLIMIT_MEMLOCK in bytes; `.max` means that there is no limit.
        public var limitOfLocked = UInt64.max
        /// `mm->def_flags`: VM_LOCKED after mlockall(MCL_FUTURE).
        public var flagsOfNew: UInt64 = 0
        /// The flags of the VMA that holds the first argument, after the call; nil if there is none.
        public var flagsThere: VMAFlags?
        /// `mm->brk` after the call.
        public var brk: UInt64 = 0

        /// Counts of 0, and no resource limit: what was read is set one by one.
        public init() {}
    }

    /// When the call's write section ended, and who made it.
    public var origin: Origin
    /// The call, with its arguments.
    public var syscall: Syscall
    /// The call stack of the thread; 0 if there is none.
    public var stack: StackID
    /// How many calls it stands for, where there were too many to record each.
    public var count: UInt32
    /// What the kernel compares before it refuses, as it was after the call.
    public var facts: Facts

    /// A refusal that stands for `count` calls, 1 or more. `stack` is 0 if there is none; `facts` are those after the call.
    public init(_ origin: Origin, _ syscall: Syscall, stack: StackID, count: UInt32, facts: Facts) {
        self.origin = origin
        self.syscall = syscall
        self.stack = stack
        self.count = count
        self.facts = facts
    }

    /// The reason of a refusal, as far as it is known. The names are those of JSON.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        /// `vm.max_map_count`.
        case mapLimit = "map_limit"
        /// RLIMIT_AS (`may_expand_vm`).
        case rlimitAS = "rlimit_as"
        /// RLIMIT_DATA (`may_expand_vm`).
        case rlimitData = "rlimit_data"
        /// Committed memory (`__vm_enough_memory`): where no other limit explains ENOMEM.
        case overcommit
        /// RLIMIT_MEMLOCK.
        case locked
        /// The kernel's answer was read, and is none of these.
        case other
    }

    /// The verdict on the call.
    public struct Verdict: Hashable, Sendable {
        /// A positive errno; nil where nobody read it, and it does not follow from the reason.
        public var errno: Int32?
        /// Nil where no limit explains the refusal, and the kernel's answer was not read.
        public var reason: Reason?
        /// True if the kernel's answer was read, false if the verdict is inferred.
        public var seen: Bool

        /// A verdict; `errno` is positive, or nil where it is unknown, and `seen` says that the kernel's answer was read.
        public init(errno: Int32?, reason: Reason?, seen: Bool) {
            self.errno = errno
            self.reason = reason
            self.seen = seen
        }

        /// Whether the call failed for lack of something: at a limit, or with an errno that says so.
        public var isShortage: Bool {
            switch reason {
            case .mapLimit, .rlimitAS, .rlimitData, .overcommit, .locked: true
            case .other, nil: errno == Refusal.noMemory || errno == Refusal.again
            }
        }
    }

    private static let (notPermitted, again, noMemory) = (Int32(1), Int32(11), Int32(12))
    /// VMAs of a call's range that are looked at.
    private static let lookedAt = 1000

    /// The verdict by the kernel's answer; nil if the call was not refused.
    ///
    /// - Parameter result: what the syscall returned, or -errno.
    public func verdict(result: Int64) -> Verdict? {
        if syscall.operation == .brk {
            // brk returns the end of the heap, whether or not that was moved.
            guard UInt64(bitPattern: result) < syscall.argument(0) else { return nil }
            return Verdict(errno: Self.noMemory, reason: reason ?? .overcommit, seen: true)
        }
        guard (-4095 ..< 0).contains(result) else { return nil }
        let errno = Int32(-result)
        // Nobody may lock anything where the limit is 0 (can_do_mlock).
        if errno == Self.notPermitted, facts.limitOfLocked == 0, lockingPages > 0 {
            return Verdict(errno: errno, reason: .locked, seen: true)
        }
        guard errno == Self.noMemory || errno == Self.again else {
            return Verdict(errno: errno, reason: .other, seen: true)
        }
        let fallback: Reason = errno == Self.noMemory && chargedPages > 0 ? .overcommit : .other
        return Verdict(errno: errno, reason: reason ?? fallback, seen: true)
    }

    /// The verdict without the kernel's answer; nil if the call may have succeeded.
    ///
    /// - Parameter layout: the VMAs after the call; nil where they are not known.
    public func inferred(_ layout: Layout?) -> Verdict? {
        guard hasCertainlyFailed(layout) else { return nil }
        // mmap says so where locking goes too far, and madvise where it may not split.
        let isAgain = reason == .locked ? syscall.operation != .mlock : syscall.operation == .madvise
        let isForbidden = reason == .locked && facts.limitOfLocked == 0
        let errno = isForbidden ? Self.notPermitted : isAgain ? Self.again : Self.noMemory
        return Verdict(errno: reason == nil ? nil : errno, reason: reason, seen: false)
    }

    // MARK: why

    /// Pages that the call would have added to the address space.
    private var addedPages: UInt64 {
        func pages(_ bytes: UInt64) -> UInt64 { bytes >> 12 &+ (bytes & 0xfff == 0 ? 0 : 1) }
        switch syscall.operation {
        case .mmap: return pages(syscall.argument(1))
        case .mremap:
            let (old, new) = (pages(syscall.argument(1)), pages(syscall.argument(2)))
            return new > old ? new - old : 0
        case .brk: return syscall.argument(0) > facts.brk ? pages(syscall.argument(0) - facts.brk) : 0
        default: return 0
        }
    }

    /// The pages that are charged as private writable memory: of those added, or of those made writable.
    private var chargedPages: UInt64 {
        switch syscall.operation {
        case .mmap:
            let (protection, flags) = (syscall.argument(2), syscall.argument(3))
            return protection & 2 != 0 && flags & 3 == 2 ? addedPages : 0
        case .mremap, .brk: return addedPages
        case .mprotect, .pkeyMprotect: return syscall.argument(2) & 2 != 0 ? syscall.argument(1) >> 12 : 0
        default: return 0
        }
    }

    private var lockingPages: UInt64 {
        let isLocked = facts.flagsOfNew & VMAFlags.locked.rawValue != 0
        switch syscall.operation {
        case .mmap: return isLocked || syscall.argument(3) & 0x2000 != 0 ? addedPages : 0
        case .mremap, .brk: return isLocked ? addedPages : 0
        case .mlock:
            if [149, 325].contains(syscall.number) { return (syscall.argument(1) &+ 4095) >> 12 }
            return syscall.number == 151 ? facts.totalPages : 0
        default: return 0
        }
    }

    /// The reason that the facts show; nil where no limit explains the refusal.
    private var reason: Reason? {
        if isAtMapLimit { return .mapLimit }
        func exceeds(_ have: UInt64, _ more: UInt64, _ limit: UInt64) -> Bool {
            more > 0 && limit != .max && have &+ more > limit >> 12
        }
        if exceeds(facts.lockedPages, lockingPages, facts.limitOfLocked) { return .locked }
        if exceeds(facts.totalPages, addedPages, facts.limitOfSpace) { return .rlimitAS }
        if exceeds(facts.dataPages, chargedPages, facts.limitOfData) { return .rlimitData }
        return nil
    }

    private var isAtMapLimit: Bool {
        switch syscall.operation {
        // A mapping over others may have to split one.
        case .mmap: facts.mapCount > facts.mapLimit || syscall.argument(3) & 0x10 != 0 && facts.mapCount >= facts.mapLimit
        case .shmat, .brk, .aio, .remapFilePages: facts.mapCount > facts.mapLimit
        // move_vma() wants room for the pieces that it may leave.
        case .mremap: facts.mapCount &+ (Self.movesFixed(syscall) ? 5 : 3) >= facts.mapLimit
        default: facts.mapCount >= facts.mapLimit
        }
    }

    /// MREMAP_FIXED or MREMAP_DONTUNMAP: mremap_to() wants room for two more pieces, since what it unmaps first is gone
    /// if the move then fails.
    private static func movesFixed(_ syscall: Syscall) -> Bool { syscall.argument(3) & 6 != 0 }

    // MARK: whether

    /// A call that maps or grows memory stores to the tree when it succeeds. A call that changes memory in place has
    /// failed if the memory is not as the call asked for.
    private func hasCertainlyFailed(_ layout: Layout?) -> Bool {
        let range = AddressRange.pages(at: syscall.argument(0), length: syscall.argument(1))
        // Of a range of very many, the first and the last tell: a call that changes them one by one stops at one of these.
        func vmas(_ layout: Layout) -> [VMA] {
            let first = layout.rows(overlapping: range).lazy.prefix(Self.lookedAt).map(\.vma)
            guard first.count == Self.lookedAt, let last = layout.vma(containing: range.end - 1) else { return Array(first) }
            return first + [last]
        }
        func any(_ isLeft: (VMAFlags) -> Bool) -> Bool {
            if let layout { return vmas(layout).contains { isLeft($0.flags) } }
            return facts.flagsThere.map(isLeft) ?? false
        }
        switch syscall.operation {
        // A mapping over others may have been refused at a split, or may have succeeded and reached the limit.
        case .mmap where syscall.argument(3) & 0x10 != 0 && facts.mapCount == facts.mapLimit:
            return layout.map { $0.rows(overlapping: range).prefix(2).map { _ in 1 }.count > 1 } ?? false
        case .mmap, .shmat, .mremap, .brk: return true
        case .munmap: return any { _ in true }
        case .mprotect, .pkeyMprotect:
            return any { $0.intersection([.read, .write, .exec]).rawValue != syscall.argument(2) & 7 }
        case .mlock where [149, 325].contains(syscall.number): return any { !$0.contains(.locked) }
        case .mlock where syscall.number == 150: return any { $0.contains(.locked) }
        case .mseal: return any { $0.isDisjoint(with: .sealed) }
        // MPOL_DEFAULT takes a policy away; whether another one was there before can't be seen.
        case .mbind:
            let isTakenAway = syscall.argument(2) == 0
            return layout.map { vmas($0).contains { ($0.policy == 0) != isTakenAway } } ?? false
        case .madvise:
            guard let (set, clear) = Self.advice[syscall.argument(2)] else { return false }
            return any { !$0.isSuperset(of: set) || !$0.isDisjoint(with: clear) }
        default: return false
        }
    }

    /// What advice sets and clears in vm_flags where it succeeds (madvise_vma_behavior, ksm_madvise, hugepage_madvise).
    private static let advice: [UInt64: (set: VMAFlags, clear: VMAFlags)] = [
        0: ([], [.randomRead, .sequentialRead]), 1: (.randomRead, .sequentialRead), 2: (.sequentialRead, .randomRead),
        10: (.dontCopy, []), 11: ([], .dontCopy), 12: (.mergeable, []), 13: ([], .mergeable),
        14: (.hugePage, .noHugePage), 15: (.noHugePage, .hugePage), 16: (.dontDump, []), 17: ([], .dontDump),
        18: (.wipeOnFork, []), 19: ([], .wipeOnFork),
    ]
}
