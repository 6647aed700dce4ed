/// What sources report and recordings hold, with kernel pointers already turned into ids. Events are facts only:
/// whether a merge was missed, and why, is decided by the core.
///
/// An observation is its events and nothing else, one after the other, so a recording of them gives the same report.
public enum Event: Sendable {
    // From the kernel.
    case rows(Rows)
    indirect case section(Section)
    /// Indirect, since it is larger than all others.
    indirect case attempt(HookedAttempt)
    case commit(Origin, AddressRange)
    case fork(Life)
    case exec(Life)
    case exit(Life)
    case file(FileID, path: String)
    case name(UInt32, text: String)
    /// A user stack seen for the first time: return addresses, innermost first. `frames` follow
    /// for those that are needed.
    case stack(StackID, [UInt64])
    /// A call that would have changed VMAs, and changed nothing.
    indirect case refusal(Refusal)
    /// The kernel's answer to the thread's last such call: what the syscall returned, or -errno.
    case answer(Origin, Int64)

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
        case .commit(let origin, _), .answer(let origin, _): origin.time
        case .refusal(let refusal): refusal.origin.time
        case .fork(let life), .exec(let life), .exit(let life): life.origin.time
        case .snapshot(_, _, let time): time
        case .file, .name, .stack, .lost, .settled, .adopted, .aged, .compared, .pages, .frames, .released: nil
        }
    }

    /// The number of VMAs in the event.
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
        case .rows, .section, .attempt, .commit, .fork, .exec, .exit, .file, .name, .stack, .refusal, .answer: true
        case .lost, .settled, .adopted, .aged, .snapshot, .compared, .pages, .frames, .released: false
        }
    }
}

/// Who acted and when. `time` is in nanoseconds of CLOCK_MONOTONIC; `tgid` is the process that owns the address
/// space, `tid` the thread that acted.
public struct Origin: Sendable, Equatable {
    public var time: UInt64
    public var mm: MMID
    public var tgid: UInt32
    public var tid: UInt32

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

    public var origin: Origin
    public var range: AddressRange
    public var reason: Reason
    /// What lies beyond `range` could not be read.
    public var truncated: Bool
    public var vmas: [VMA]

    public init(_ origin: Origin, _ range: AddressRange, _ reason: Reason, truncated: Bool, _ vmas: [VMA]) {
        self.origin = origin
        self.range = range
        self.reason = reason
        self.truncated = truncated
        self.vmas = vmas
    }
}

/// A syscall as the task entered it: x86-64 number (below 0 outside a syscall) and arguments.
public struct Syscall: Sendable, Equatable {
    public var number: Int32
    public var arguments: Arguments
    /// False for a 32-bit task, or when the address space is another process's.
    public var isNative: Bool

    public init(number: Int32, arguments: Arguments, isNative: Bool = true) {
        self.number = number
        self.arguments = arguments
        self.isNative = isNative
    }

    /// Six arguments, stored in place; those that are not given are 0.
    public struct Arguments: Sendable, Equatable, ExpressibleByArrayLiteral {
        public typealias Six = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
        private var all: Six

        public init(_ all: Six = (0, 0, 0, 0, 0, 0)) { self.all = all }

        public init(_ arguments: [UInt64]) {
            self.init()
            for (index, argument) in arguments.prefix(6).enumerated() { self[index] = argument }
        }

        public init(arrayLiteral arguments: UInt64...) { self.init(arguments) }

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

        public static func == (one: Arguments, other: Arguments) -> Bool { one.all == other.all }
    }
}

/// A write section that has ended.
public struct Section: Sendable {
    public var origin: Origin
    public var syscall: Syscall
    public var stack: StackID
    public var ranges: Ranges
    public var writes: UInt32
    public var incomplete: Bool
    /// The section's weight: it was chosen with a chance of 1 in this many; 0 where all sections are recorded.
    public var oneIn: UInt32
    /// How many VMAs more there were after the section than before, as the kernel counts them (`mm->map_count`); 0
    /// where all sections are recorded, and layouts are compared instead.
    public var growth: Int32

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
        public private(set) var endIndex = 0
        public var startIndex: Int { 0 }
        public static let limit = 2

        public init() {}

        /// Ranges beyond the second are left out.
        public init(arrayLiteral ranges: AddressRange...) { for range in ranges { append(range) } }

        public mutating func append(_ range: AddressRange) {
            guard endIndex < Self.limit else { return }
            endIndex += 1
            self[endIndex - 1] = range
        }

        public subscript(index: Int) -> AddressRange {
            get { index == 0 ? first : second }
            set { if index == 0 { first = newValue } else { second = newValue } }
        }
    }
}

/// A record of a kernel function that considers a merge, made when the function was entered.
public struct HookedAttempt: Sendable {
    /// The hooked function, as in CVMAWire's vma_wire.h.
    public enum Site: UInt32, Sendable {
        case vmaMerge = 1, mmapRegion, brk, newRange, modify, iterated, iteratedRows

        /// The function carries the merge out by itself: its attempt is known, and no commit is recorded.
        var mergesByItself: Bool { self == .mmapRegion || self == .brk }
        /// The outcome is a commit; the outcome of the others is concluded from the rows after the section.
        var commits: Bool { !mergesByItself && self != .iteratedRows }
        /// `vma_merge`, whatever its arguments.
        var isVMAMerge: Bool { self == .vmaMerge || self == .iterated || self == .iteratedRows }
    }

    public var origin: Origin
    public var syscall: Syscall
    public var stack: StackID
    public var site: Site
    public var proposed: VMA
    /// The VMAs that hold the byte before the proposed range (prev), and the byte after it (next).
    public var prev: VMA?
    public var next: VMA?
    /// The VMA that is to be changed or moved, in whole or in part (the kernel's `middle`).
    public var middle: VMA?

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
    public var origin: Origin
    public var parent: MMID
    public var parentTgid: UInt32
    public var command: String

    public init(_ origin: Origin, parent: MMID, parentTgid: UInt32, command: String) {
        self.origin = origin
        self.parent = parent
        self.parentTgid = parentTgid
        self.command = command
    }
}
