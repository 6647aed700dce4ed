/// What happened when, for formats that show time: write sections, misses, refusals, and what stood between VMAs. An
/// observer keeps one only if it is asked for.
///
/// It is bounded however long an observation is: where one kind has too many moments, every second of them is let go,
/// and from then on one in twice as many is kept.
public struct Timeline: Sendable {
    /// A write section, from its first record (the rows that it found, or a merge attempt) to its end. A section that
    /// has neither is not here.
    public struct Slice: Sendable {
        /// CLOCK_MONOTONIC nanoseconds, as all times here.
        public var start: UInt64
        /// When the lock was released.
        public var end: UInt64
        /// The address space that was changed.
        public var mm: MMID
        /// The id of the thread that had the lock.
        public var thread: UInt32
        /// `other` for a task that is not native.
        public var operation: Operation
    }

    /// A missed side, or a refused call.
    public struct Instant: Sendable {
        /// CLOCK_MONOTONIC nanoseconds.
        public var time: UInt64
        /// In `kinds`.
        public var kind: UInt32
        /// The id of the thread that made the call.
        public var thread: UInt32
        /// The range that was asked for; empty where that is not known.
        public var range: AddressRange
    }

    /// What moments have in common: the row of the ledger that they are counted in.
    public enum Kind: Hashable, Sendable {
        /// A missed side.
        case miss(Ledger.Key)
        /// A call that the kernel refused.
        case refusal(RefusalLedger.Key)

        /// The address space.
        public var mm: MMID {
            switch self {
            case .miss(let key): key.mm
            case .refusal(let key): key.mm
            }
        }
        /// The id of the call stack; 0 if there is none.
        public var stack: StackID {
            switch self {
            case .miss(let key): key.stack
            case .refusal(let key): key.stack
            }
        }
        /// The operation that missed merges, or that was refused.
        public var operation: Operation {
            switch self {
            case .miss(let key): key.operation
            case .refusal(let key): key.operation
            }
        }
    }

    /// What stood between the VMAs of one address space.
    public struct Stock: Sendable {
        /// CLOCK_MONOTONIC nanoseconds.
        public var time: UInt64
        /// The address space.
        public var mm: MMID
        /// The number of VMAs.
        public var vmas: Int
        /// The number of gaps (`GapSieve`).
        public var gaps: Int
        /// Boundaries by all their blockers; pairs without a blocker are not in it.
        public var blockedBy: [Blockers: Int]
    }

    /// Those that are kept, and of how many each is one.
    public struct Thinned<Moment: Sendable>: Sendable {
        /// The moments that are kept, in the order in which they were added.
        public private(set) var all: [Moment] = []
        /// Of how many moments each is one.
        public private(set) var oneIn = 1
        private var passed = 0
        let limit: Int

        init(limit: Int) { self.limit = limit }

        mutating func add(_ moment: @autoclosure () -> Moment) {
            defer { passed += 1 }
            guard passed % oneIn == 0 else { return }
            all.append(moment())
            guard all.count > limit else { return }
            all = all.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            oneIn *= 2
        }
    }

    /// The write sections, in the order of their ends.
    public private(set) var slices: Thinned<Slice>
    /// The missed sides and refused calls.
    public private(set) var instants: Thinned<Instant>
    /// What stood between VMAs, in order of time: of each address space when it was looked at. The interval between
    /// two looks grows where there are too many.
    public private(set) var stocks: [Stock] = []
    /// What `Instant.kind` is an index of.
    public private(set) var kinds: [Kind] = []
    /// Whose address spaces these are.
    public private(set) var owners: [MMID: (pid: UInt32, command: String)] = [:]

    /// Missed sides and refused calls of kinds that are not kept, since there are too many.
    public private(set) var omitted = 0

    private var numbers: [Kind: UInt32] = [:]
    /// When the section that a thread has open began.
    private var begun: [UInt32: UInt64] = [:]
    private var nextStock: [MMID: UInt64] = [:]
    /// Nanoseconds between two looks at one address space.
    private var stockInterval: UInt64 = 10_000_000
    private let stockLimit: Int

    private let kindLimit: Int
    private static let (ownerLimit, threadLimit) = (20_000, 10_000)
    /// Looking costs time for each VMA: at most a part of it that is small, by what one is taken to cost.
    private var pausePerVMA: UInt64 = 10_000
    /// VMAs that were looked at since the pauses were doubled, and how many may be: a recording can have any times.
    private var looked = 0
    private static let lookLimit = 8_000_000

    /// - Parameters:
    ///   - limit: how many slices are kept, and how many instants.
    ///   - stockLimit: how many looks at address spaces are kept.
    ///   - kindLimit: how many kinds of instants are kept.
    public init(limit: Int = 400_000, stockLimit: Int = 100_000, kindLimit: Int = 60_000) {
        self.kindLimit = kindLimit
        slices = Thinned(limit: limit)
        instants = Thinned(limit: limit)
        self.stockLimit = stockLimit
    }

    mutating func begin(_ origin: Origin) {
        guard begun[origin.tid] == nil, begun.count < Self.threadLimit else { return }
        begun[origin.tid] = origin.time
    }

    mutating func end(_ section: Section) {
        let (origin, start) = (section.origin, begun.removeValue(forKey: section.origin.tid))
        guard let start, start <= origin.time else { return }
        slices.add(
            Slice(
                start: start, end: origin.time, mm: origin.mm, thread: origin.tid,
                operation: section.syscall.isNative ? section.syscall.operation : .other))
    }

    mutating func note(_ kind: Kind, at time: UInt64, thread: UInt32, _ range: AddressRange) {
        guard let number = number(kind) else {
            omitted += 1
            return
        }
        instants.add(Instant(time: time, kind: number, thread: thread, range: range))
    }

    private mutating func number(_ kind: Kind) -> UInt32? {
        if let known = numbers[kind] { return known }
        guard kinds.count < kindLimit else { return nil }
        let number = UInt32(kinds.count)
        kinds.append(kind)
        numbers[kind] = number
        return number
    }

    mutating func own(_ image: Image) {
        guard owners[image.mm] != nil || owners.count < Self.ownerLimit else { return }
        owners[image.mm] = (image.tgid, image.command)
    }

    /// Whether it is time to look at an address space again.
    func wants(_ image: Image, at time: UInt64) -> Bool { time >= nextStock[image.mm, default: 0] }

    mutating func note(_ boundaries: Boundaries, of image: Image, at time: UInt64) {
        own(image)
        // A damaged recording has times at the end of time.
        let pause = UInt64(image.layout.count).multipliedReportingOverflow(by: pausePerVMA)
        let (next, overflow) = time.addingReportingOverflow(max(stockInterval, pause.overflow ? .max : pause.partialValue))
        nextStock[image.mm] = overflow ? .max : next
        looked += image.layout.count
        if looked > Self.lookLimit {
            looked = 0
            pausePerVMA = min(pausePerVMA * 2, 1 << 62)
        }
        stocks.append(
            Stock(
                time: time, mm: image.mm, vmas: image.layout.count, gaps: boundaries.gaps, blockedBy: boundaries.blockedBy))
        guard stocks.count > stockLimit else { return }
        // Of each address space every second one.
        stockInterval = min(stockInterval * 2, 1 << 62)
        var keeps: [MMID: Bool] = [:]
        stocks = stocks.filter { stock in
            keeps[stock.mm] = !(keeps[stock.mm] ?? false)
            return keeps[stock.mm]!
        }
        // Where each has one: so many that the next look does not do this again.
        if stocks.count > stockLimit * 3 / 4 { stocks.removeFirst(stocks.count - stockLimit / 2) }
    }
}
