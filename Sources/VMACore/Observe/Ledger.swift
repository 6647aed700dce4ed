/// Missed merges, added up: one row for all that are alike and have the same call stack.
public struct Ledger: Sendable {
    /// What the misses of one row have in common.
    public struct Key: Hashable, Sendable {
        public var mm: MMID
        public var operation: Operation
        public var side: Side
        public var blockers: Blockers
        public var detail: String?
        public var answers = WhatIfAnswers()
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// The id of the stack; 0 if there is none.
        public var stack: StackID
    }

    /// The first miss of a row, with its VMAs.
    public struct Example: Sendable {
        public var time: UInt64
        public var proposed: VMA
        public var prev: VMA?
        public var next: VMA?
    }

    /// Misses that are alike: how many there were, and the first.
    public struct Row: Sendable {
        public var key: Key
        public var count: Int
        public var example: Example
    }

    private static let rowLimit = 50_000

    private var index: [Key: Int] = [:]
    public private(set) var rows: [Row] = []
    /// Misses whose stack was dropped because there were too many different rows.
    public private(set) var folded = 0

    public init() {}

    /// Counts a miss. Returns true if its key is new.
    @discardableResult
    public mutating func add(_ key: Key, _ example: @autoclosure () -> Example) -> Bool {
        if let at = index[key] {
            rows[at].count += 1
            return false
        }
        if rows.count >= Self.rowLimit, key.stack != 0 {
            folded += 1
            var other = key
            other.stack = 0
            return add(other, example())
        }
        index[key] = rows.count
        rows.append(Row(key: key, count: 1, example: example()))
        return true
    }

    /// Gives the rows of some address spaces other keys; those that become alike are added up.
    mutating func rename(_ mms: Set<MMID>, _ key: (Key) -> Key) {
        let old = rows
        (rows, index) = ([], [:])
        for var row in old {
            if mms.contains(row.key.mm) { row.key = key(row.key) }
            if let at = index[row.key] {
                rows[at].count += row.count
            } else {
                index[row.key] = rows.count
                rows.append(row)
            }
        }
    }
}

/// The counts of attempts, merges and misses of one address space, or of all.
public struct Tally: Sendable, Equatable {
    /// Attempts, and the attempts in which at least one side merged.
    public var attempts = 0
    public var merged = 0
    public var mergedBy: [Operation: Int] = [:]
    /// Missed sides: one attempt can miss two.
    public var missed = 0
    public var missedBy: [Blockers: Int] = [:]
    /// The proposals' answers for misses by pgoff and anon_vma alone.
    public private(set) var byProposal = WhatIfCounts()
    public var whatIf: [WhatIf: Int] { byProposal[Proposals.rfc] }
    public private(set) var gain = Gain()

    public init() {}

    mutating func add(_ attempt: MergeAttempt, _ verdict: Verdict, isNearLimit: Bool = false) {
        gain.add(attempt, verdict, isNearLimit: isNearLimit)
        attempts += 1
        if attempt.outcome.merged {
            merged += 1
            mergedBy[attempt.operation, default: 0] += 1
        }
        for side in verdict.sides where side.missed {
            missed += 1
            missedBy[side.blockers, default: 0] += 1
            byProposal.add(side.answers)
        }
    }

    public mutating func add(_ other: Tally) {
        attempts += other.attempts
        merged += other.merged
        mergedBy.merge(other.mergedBy, uniquingKeysWith: +)
        missed += other.missed
        missedBy.merge(other.missedBy, uniquingKeysWith: +)
        byProposal.add(other.byProposal)
        gain.add(other.gain)
    }
}
