/// Refused calls that have something in common: how many there were, and when.
protocol RefusalSum {
    var count: Int { get set }
    var first: UInt64 { get set }
    var last: UInt64 { get set }
}

extension RefusalSum {
    mutating func add(_ other: Self) {
        count += other.count
        (first, last) = (min(first, other.first), max(last, other.last))
    }
}

/// Calls that the kernel refused, added up by operation, reason and call stack.
public struct RefusalLedger: Sendable {
    /// What the refused calls of one row have in common.
    public struct Key: Hashable, Sendable {
        /// The address space; 0 for those that are folded into one.
        public var mm: MMID
        /// The operation that was refused.
        public var operation: Operation
        /// The errno and the reason.
        public var verdict: Refusal.Verdict
        /// The id of the stack; 0 if there is none.
        public var stack: StackID
    }

    /// Refused calls that are alike: how many there were, and when.
    public struct Row: RefusalSum, Sendable {
        /// What the calls of the row have in common.
        public var key: Key
        /// How many calls were refused, those included that were too many to record each.
        public var count: Int
        /// When the first call was refused, in nanoseconds of CLOCK_MONOTONIC.
        public var first: UInt64
        /// When the last call was refused.
        public var last: UInt64
        /// The process that made the first call.
        public var tgid: UInt32
    }

    private var pending = PendingRefusals()
    private var index: [Key: Int] = [:]
    private var settled: [Row] = []
    private static let rowLimit = 10_000
    /// Rows without a stack beyond these.
    private static let plainLimit = 2000

    /// One that was counted: for who keeps a timeline, and takes them.
    struct Moment: Sendable {
        var origin: Origin
        var key: Key
        var range: AddressRange
    }

    var keepsMoments = false
    private var moments: [Moment] = []

    /// A ledger without a refusal.
    public init() {}

    mutating func takeMoments() -> [Moment] {
        defer { moments = [] }
        return moments
    }

    /// The rows, in the order of their first call.
    public var rows: [Row] {
        var all = self
        for (refusal, verdict) in pending.inferred { all.add(refusal, verdict) }
        return all.settled
    }

    /// - Parameters:
    ///   - refusal: a call that changed nothing, with what the kernel compares before it refuses.
    ///   - layout: of the address space, after the call; nil where it is not known.
    public mutating func note(_ refusal: Refusal, _ layout: Layout?) {
        for (refusal, verdict) in pending.note(refusal, layout) { add(refusal, verdict) }
    }

    /// Takes the kernel's answer to the thread's last call.
    public mutating func answer(_ origin: Origin, _ result: Int64) {
        if let (refusal, verdict) = pending.answer(origin, result) { add(refusal, verdict) }
    }

    private mutating func add(_ refusal: Refusal, _ verdict: Refusal.Verdict) {
        let (origin, count) = (refusal.origin, Int(max(1, refusal.count)))
        var key = Key(mm: origin.mm, operation: refusal.syscall.operation, verdict: verdict, stack: refusal.stack)
        if index[key] == nil, settled.count >= Self.rowLimit { key.stack = 0 }
        // Processes that come, are refused something and go must not fill the memory of who watches them all.
        let isFolded = index[key] == nil && settled.count >= Self.rowLimit + Self.plainLimit
        if isFolded { key.mm = 0 }
        if keepsMoments {
            let (start, length) = (refusal.syscall.arguments[0], refusal.syscall.arguments[1])
            let (end, overflow) = start.addingReportingOverflow(length)
            moments.append(
                Moment(origin: origin, key: key, range: overflow || !refusal.syscall.isNative ? .empty : AddressRange(start, end))
            )
        }
        put(Row(key: key, count: count, first: origin.time, last: origin.time, tgid: isFolded ? 0 : origin.tgid))
    }

    private mutating func put(_ row: Row) {
        if let at = index[row.key] {
            settled[at].add(row)
        } else {
            index[row.key] = settled.count
            settled.append(row)
        }
    }

    /// Gives the rows of some address spaces other keys; those that become alike are added up.
    mutating func rename(_ mms: Set<MMID>, _ key: (Key) -> Key) {
        guard !settled.isEmpty else { return }
        let old = settled
        (settled, index) = ([], [:])
        for var row in old {
            if mms.contains(row.key.mm) { row.key = key(row.key) }
            put(row)
        }
    }
}
