/// What sources tell and recordings hold, with kernel pointers already made into ids. Facts
/// only: whether a merge was missed, and why, is decided here in the core.
///
/// An observation is these and nothing else, one after the other, so a recording of them gives
/// the same report.
public enum Event: Sendable {
    // From the kernel.
    case rows(Rows)
    indirect case section(Section)
    /// Apart, for it is larger than all others.
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
    /// What the kernel answered to the thread's last such call: what the syscall returned, or -errno.
    case answer(Origin, Int64)

    // From the edge.
    /// Records that never arrived: everything known may be stale.
    case lost(UInt64)
    /// Nothing was lost up to now: what has been seen is final.
    case settled
    /// An address space is the process's that is named; it was running already.
    case adopted(MMID, tgid: UInt32, command: String)
    /// For how long the process that was adopted had lived, in nanoseconds.
    case aged(MMID, UInt64)
    /// All VMAs of an address space, read until `asOf` (CLOCK_MONOTONIC ns), replace its layout.
    case snapshot(MMID, [VMA], asOf: UInt64)
    /// All VMAs of an address space, read while nothing happened, to compare with its layout.
    case compared(MMID, [VMA])
    /// How the pages of some VMAs of an address space are mapped now: of those of which the anon_vma
    /// does not tell whether they are shared (`Judge.inDoubt`).
    case pages(MMID, [PageUse])
    /// A stack in an address space, in words, innermost first.
    case frames(MMID, StackID, [String])
    /// What is wanted of address spaces that are gone has been told: most of it can be let go.
    case released

    /// When it happened, in nanoseconds of CLOCK_MONOTONIC, if it tells.
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

    /// VMAs that it tells.
    public var vmaCount: Int {
        switch self {
        case .rows(let rows): rows.vmas.count
        case .snapshot(_, let vmas, _), .compared(_, let vmas): vmas.count
        default: 1
        }
    }

    /// One for each record that the kernel's side made.
    var isRecord: Bool {
        switch self {
        case .rows, .section, .attempt, .commit, .fork, .exec, .exit, .file, .name, .stack, .refusal, .answer: true
        case .lost, .settled, .adopted, .aged, .snapshot, .compared, .pages, .frames, .released: false
        }
    }
}

/// Who and when. `time` is in nanoseconds of CLOCK_MONOTONIC; `tgid` is the process that owns
/// the address space, `tid` the thread that acted.
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

/// `range` holds exactly `vmas`.
public struct Rows: Sendable {
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

    /// Six, without memory of their own; those that are not given are 0.
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

/// The end of a time in which a thread held the mmap_lock for writing.
public struct Section: Sendable {
    public var origin: Origin
    public var syscall: Syscall
    public var stack: StackID
    public var ranges: Ranges
    public var writes: UInt32
    public var incomplete: Bool
    /// It was chosen by a chance of 1 in so many; 0 where every section is told.
    public var oneIn: UInt32
    /// How many VMAs more there were after it than before, as the kernel counts them (`mm->map_count`);
    /// 0 where every section is told, and layouts are compared instead.
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

    /// Up to two, without memory of their own: a move has a source and a target.
    public struct Ranges: Sendable, Equatable, RandomAccessCollection, ExpressibleByArrayLiteral {
        private var first = AddressRange.empty
        private var second = AddressRange.empty
        public private(set) var endIndex = 0
        public var startIndex: Int { 0 }
        public static let limit = 2

        public init() {}

        /// More than two are left out.
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

/// A function of the kernel that considers a merge was entered.
public struct HookedAttempt: Sendable {
    public enum Site: UInt32, Sendable {
        case vmaMerge = 1, mmapRegion, brk, newRange, modify, iterated, iteratedRows

        /// The function carries the merge out by itself, so its attempt is known, and no commit is told.
        var mergesByItself: Bool { self == .mmapRegion || self == .brk }
        /// Its outcome is told by a commit; that of the others by what the section leaves.
        var commits: Bool { !mergesByItself && self != .iteratedRows }
        /// `vma_merge`, whatever its arguments.
        var isVMAMerge: Bool { self == .vmaMerge || self == .iterated || self == .iteratedRows }
    }

    public var origin: Origin
    public var syscall: Syscall
    public var stack: StackID
    public var site: Site
    public var proposed: VMA
    /// The VMAs that hold the byte before the proposed range, and the byte after it.
    public var before: VMA?
    public var after: VMA?
    /// The VMA that is to be changed, or moved, in whole or in part.
    public var middle: VMA?

    public init(
        _ origin: Origin, _ syscall: Syscall, stack: StackID, site: Site, proposed: VMA, before: VMA?,
        after: VMA?, middle: VMA?
    ) {
        self.origin = origin
        self.syscall = syscall
        self.stack = stack
        self.site = site
        self.proposed = proposed
        self.before = before
        self.after = after
        self.middle = middle
    }
}

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
