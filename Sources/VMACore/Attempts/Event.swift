/// What sources report and recordings hold, with kernel pointers already turned into ids. Events are facts only:
/// whether a merge was missed, and why, is decided by the core.
///
/// An observation is its events and nothing else, one after the other, so a recording of them gives the same report.
public enum Event: Sendable {
    // From the kernel.
    /// What a range of an address space holds now.
    case rows(Rows)
    /// A write section has ended.
    indirect case section(Section)
    /// A function that considers a merge was entered. Indirect, since it is larger than all others.
    indirect case attempt(HookedAttempt)
    /// The thread's last attempt merges: one VMA holds the range afterwards (`HookAttempts.commit` has the exceptions).
    case commit(Origin, AddressRange)
    /// A child's address space was made, whose rows came before.
    case fork(Life)
    /// A process has a new address space, whose rows come next.
    case exec(Life)
    /// The last user of an address space has gone.
    case exit(Life)
    /// The path of a file that is mapped for the first time, as in `/proc/PID/maps`.
    case file(FileID, path: String)
    /// The text of a name given by prctl(PR_SET_VMA).
    case name(UInt32, text: String)
    /// A user stack seen for the first time: return addresses, innermost first. `frames` follow
    /// for those that are needed.
    case stack(StackID, [UInt64])
    /// A call that would have changed VMAs, and changed nothing.
    indirect case refusal(Refusal)
    /// The kernel's answer to the thread's last such call: what the syscall returned, or -errno.
    case answer(Origin, Int64)
    /// How many pages of a range were present, which an attempt of the open write section is about.
    case counted(Origin, PageCount)

    // From the edge.
    /// Records that never arrived: everything known may be stale.
    case lost(UInt64)
    /// Nothing was lost up to now: what has been seen is final.
    case settled
    /// An address space belongs to this process, which was running already.
    case adopted(MMID, tgid: UInt32, command: String)
    /// For how long the process that was adopted had lived, in nanoseconds.
    case aged(MMID, UInt64)
    /// All VMAs of an address space, read until `asOf` (CLOCK_MONOTONIC ns), replace its layout.
    case snapshot(MMID, [VMA], asOf: UInt64)
    /// All VMAs of an address space, read while nothing happened, to compare with its layout.
    case compared(MMID, [VMA])
    /// How the pages of some VMAs of an address space are mapped: of VMAs whose anon_vma does not show whether they
    /// are shared.
    case pages(MMID, [PageUse])
    /// A stack in an address space, in words, innermost first.
    case frames(MMID, StackID, [String])
    /// All requests about address spaces that have ended are answered: most of what is kept of them can be dropped.
    case released

    /// When the event happened, in nanoseconds of CLOCK_MONOTONIC; nil if it has no time.
    public var time: UInt64? {
        switch self {
        case .rows(let rows): rows.origin.time
        case .section(let section): section.origin.time
        case .attempt(let attempt): attempt.origin.time
        case .commit(let origin, _), .answer(let origin, _), .counted(let origin, _): origin.time
        case .refusal(let refusal): refusal.origin.time
        case .fork(let life), .exec(let life), .exit(let life): life.origin.time
        case .snapshot(_, _, let time): time
        case .file, .name, .stack, .lost, .settled, .adopted, .aged, .compared, .pages, .frames, .released: nil
        }
    }

    /// The number of VMAs in the event; 1 for an event that has no list of them.
    public var vmaCount: Int {
        switch self {
        case .rows(let rows): rows.vmas.count
        case .snapshot(_, let vmas, _), .compared(_, let vmas): vmas.count
        default: 1
        }
    }

    /// Whether the event comes from a record of a BPF program.
    var isRecord: Bool {
        switch self {
        case .rows, .section, .attempt, .commit, .fork, .exec, .exit, .file, .name, .stack, .refusal, .answer, .counted:
            true
        case .lost, .settled, .adopted, .aged, .snapshot, .compared, .pages, .frames, .released: false
        }
    }
}

/// Who acted and when.
public struct Origin: Sendable, Equatable {
    /// Nanoseconds of CLOCK_MONOTONIC.
    public var time: UInt64
    /// The address space; not always the thread's own.
    public var mm: MMID
    /// The process that owns the address space (thread group, in the first pid namespace).
    public var tgid: UInt32
    /// The thread that acted, in the first pid namespace.
    public var tid: UInt32

    /// Who acted and when: `time` is in nanoseconds of CLOCK_MONOTONIC, tasks are numbered as in the first pid namespace.
    public init(time: UInt64, mm: MMID, tgid: UInt32, tid: UInt32) {
        self.time = time
        self.mm = mm
        self.tgid = tgid
        self.tid = tid
    }
}

/// The statement that `range` holds exactly `vmas`.
public struct Rows: Sendable {
    /// Why rows were read: before or after a section, at a fork, of a new image, at an exit (`audit`), for a
    /// snapshot, or because a stack has grown.
    public enum Reason: UInt16, Sendable {
        case before = 1, after, forked, image, audit, snapshot, grown
    }

    /// When the rows were read, and in which address space.
    public var origin: Origin
    /// What the statement is about. It reaches over the two neighbours, which are read, too.
    public var range: AddressRange
    /// When, and why, the rows were read.
    public var reason: Reason
    /// What lies beyond `range` could not be read.
    public var truncated: Bool
    /// The VMAs in `range`, whole, in order of address.
    public var vmas: [VMA]

    /// The statement that `range` holds exactly `vmas`, which are whole and in order of address. `truncated`: what lies
    /// beyond `range` could not be read.
    public init(_ origin: Origin, _ range: AddressRange, _ reason: Reason, truncated: Bool, _ vmas: [VMA]) {
        self.origin = origin
        self.range = range
        self.reason = reason
        self.truncated = truncated
        self.vmas = vmas
    }
}

/// A syscall as the task entered it.
public struct Syscall: Sendable, Equatable {
    /// The number in the x86-64 table, or, for a 32-bit task, in its own; below 0 outside of a syscall.
    public var number: Int32
    /// The arguments as the registers held them.
    public var arguments: Arguments
    /// False for a 32-bit task, or when the address space is another process's.
    public var isNative: Bool

    /// A syscall; `number` is below 0 outside of one. `isNative` is false for a 32-bit task, whose numbers are those of its
    /// own table, and when the address space is another process's.
    public init(number: Int32, arguments: Arguments, isNative: Bool = true) {
        self.number = number
        self.arguments = arguments
        self.isNative = isNative
    }

    /// Six arguments, stored in place; those that are not given are 0.
    public struct Arguments: Sendable, Equatable, ExpressibleByArrayLiteral {
        /// Six registers, the first argument first.
        public typealias Six = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
        private var all: Six

        /// Six registers as they are.
        public init(_ all: Six = (0, 0, 0, 0, 0, 0)) { self.all = all }

        /// Arguments beyond the sixth are left out.
        public init(_ arguments: [UInt64]) {
            self.init()
            for (index, argument) in arguments.prefix(6).enumerated() { self[index] = argument }
        }

        /// Arguments beyond the sixth are left out.
        public init(arrayLiteral arguments: UInt64...) { self.init(arguments) }

        /// - Parameter index: 0 to 5.
        public subscript(index: Int) -> UInt64 {
            get {
                switch index {
                case 0: all.0
                case 1: all.1
                case 2: all.2
                case 3: all.3
                case 4: all.4
                default: all.5
                }
            }
            set {
                switch index {
                case 0: all.0 = newValue
                case 1: all.1 = newValue
                case 2: all.2 = newValue
                case 3: all.3 = newValue
                case 4: all.4 = newValue
                default: all.5 = newValue
                }
            }
        }

        /// Whether all six are equal.
        public static func == (one: Arguments, other: Arguments) -> Bool { one.all == other.all }
    }
}

/// A write section that has ended.
public struct Section: Sendable {
    /// When it ended, and who had the lock.
    public var origin: Origin
    /// The syscall that took the lock.
    public var syscall: Syscall
    /// The call stack of the thread; 0 if there is none: of a section that left no boundary none is kept.
    public var stack: StackID
    /// What was read before and after the section: what the arguments name, and what was stored to.
    public var ranges: Ranges
    /// Stores to the tree of VMAs that were seen. A section without one has mapped nothing; it may have unmapped VMAs,
    /// or changed whole VMAs in place.
    public var writes: UInt32
    /// The section was not seen from its beginning, or had more rows than can be read: the layout has to be read
    /// anew.
    public var incomplete: Bool
    /// The section's weight: it was chosen with a chance of 1 in this many; 0 where all sections are recorded.
    public var oneIn: UInt32
    /// How many VMAs more there were after the section than before, as the kernel counts them (`mm->map_count`); 0
    /// where all sections are recorded, and layouts are compared instead.
    public var growth: Int32

    /// A section that ended at `origin.time`. `stack` is 0 if there is none, and `oneIn` where all sections are recorded;
    /// `growth` is counted in VMAs, and only in a sample.
    public init(
        _ origin: Origin, _ syscall: Syscall, stack: StackID, ranges: Ranges, writes: UInt32,
        incomplete: Bool, oneIn: UInt32 = 0, growth: Int32 = 0
    ) {
        self.origin = origin
        self.syscall = syscall
        self.stack = stack
        self.ranges = ranges
        self.writes = writes
        self.incomplete = incomplete
        self.oneIn = oneIn
        self.growth = growth
    }

    /// Up to two ranges, stored in place: a move has a source and a target.
    public struct Ranges: Sendable, Equatable, RandomAccessCollection, ExpressibleByArrayLiteral {
        private var first = AddressRange.empty
        private var second = AddressRange.empty
        /// How many ranges there are: 0 to `limit`.
        public private(set) var endIndex = 0
        /// Always 0.
        public var startIndex: Int { 0 }
        /// How many ranges a section can have.
        public static let limit = 2

        /// No range.
        public init() {}

        /// Ranges beyond the second are left out.
        public init(arrayLiteral ranges: AddressRange...) { for range in ranges { append(range) } }

        /// Adds a range. One beyond the second is left out.
        public mutating func append(_ range: AddressRange) {
            guard endIndex < Self.limit else { return }
            endIndex += 1
            self[endIndex - 1] = range
        }

        /// The first or the second range; an empty one where there is none.
        ///
        /// - Parameter index: 0 or 1.
        public subscript(index: Int) -> AddressRange {
            get { index == 0 ? first : second }
            set { if index == 0 { first = newValue } else { second = newValue } }
        }
    }
}

/// A record of a kernel function that considers a merge, made when the function was entered.
public struct HookedAttempt: Sendable {
    /// The hooked function. The numbers are those of CVMAWire's vma_wire.h.
    public enum Site: UInt32, Sendable {
        /// `vma_merge` up to 6.2.
        case vmaMerge = 1
        /// `mmap_region`, which merges by itself from 6.1 to 6.11.
        case mmapRegion
        /// `do_brk_flags`, which merges by itself from 6.1 to 6.11.
        case brk
        /// `vma_merge_new_range`, since 6.12.
        case newRange
        /// `vma_modify`, since 6.12.
        case modify
        /// `vma_merge` from 6.3 to 6.11, where `khugepaged_enter_vma` tells the outcome.
        case iterated
        /// The same on a kernel without `khugepaged_enter_vma`: the rows after the section tell the outcome.
        case iteratedRows

        /// The function carries the merge out by itself: its attempt is known, and no commit is recorded.
        var mergesByItself: Bool { self == .mmapRegion || self == .brk }
        /// The outcome is a commit; the outcome of the others is concluded from the rows after the section.
        var commits: Bool { !mergesByItself && self != .iteratedRows }
        /// `vma_merge`, whatever its arguments.
        var isVMAMerge: Bool { self == .vmaMerge || self == .iterated || self == .iteratedRows }
    }

    /// When the function was entered, and by whom.
    public var origin: Origin
    /// The syscall during which the function was entered.
    public var syscall: Syscall
    /// The call stack of the thread; 0 if there is none.
    public var stack: StackID
    /// The function that was entered.
    public var site: Site
    /// The range that is to be merged with its neighbours, with the attributes that it is to have.
    public var proposed: VMA
    /// The VMA that holds the byte before the proposed range; nil if none does. It is given whole.
    public var prev: VMA?
    /// The VMA that holds the byte behind the proposed range; nil if none does. It is given whole.
    public var next: VMA?
    /// The VMA that is to be changed or moved, in whole or in part (the kernel's `middle`).
    public var middle: VMA?

    /// An attempt as it was recorded at the function's entry. `stack` is 0 if there is none; `prev` and `next` are whole
    /// VMAs, and nil where none touches the range, as is `middle` where none is to be changed.
    public init(
        _ origin: Origin, _ syscall: Syscall, stack: StackID, site: Site, proposed: VMA, prev: VMA?,
        next: VMA?, middle: VMA?
    ) {
        self.origin = origin
        self.syscall = syscall
        self.stack = stack
        self.site = site
        self.proposed = proposed
        self.prev = prev
        self.next = next
        self.middle = middle
    }
}

/// The beginning (fork, exec) or end of an address space.
public struct Life: Sendable {
    /// When, and which address space: the new one, or the one that ends.
    public var origin: Origin
    /// The address space that was copied, at a fork; else 0.
    public var parent: MMID
    /// The process that forked; else 0.
    public var parentTgid: UInt32
    /// The name of the thread (comm).
    public var command: String

    /// The beginning or end of `origin.mm`. `parent` and `parentTgid` are 0 but at a fork; `command` is the name of the
    /// thread (comm).
    public init(_ origin: Origin, parent: MMID, parentTgid: UInt32, command: String) {
        self.origin = origin
        self.parent = parent
        self.parentTgid = parentTgid
        self.command = command
    }
}
