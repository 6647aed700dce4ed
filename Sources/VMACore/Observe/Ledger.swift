/// Missed merges, added up: one row for all that are alike and have the same call stack.
public struct Ledger: Sendable {
    /// What the misses of one row have in common.
    public struct Key: Hashable, Sendable {
        /// The address space; 0 for those that are folded into one.
        public var mm: MMID
        /// The operation during which the merges were missed.
        public var operation: Operation
        /// The side on which the neighbour lies that the range did not merge with.
        public var side: Side
        /// All rules that refuse the merge; empty where no rule does, which is an unexplained miss.
        public var blockers: Blockers
        /// The exact difference where the blockers leave it open; else nil (`MergeRules.detail`).
        public var detail: String?
        /// The proposals' answers; empty unless pgoff and anon_vma alone refuse.
        public var answers = WhatIfAnswers()
        /// The answer of the 2022 series; nil unless pgoff and anon_vma alone refuse.
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// The id of the stack; 0 if there is none.
        public var stack: StackID
    }

    /// The first miss of a row, with its VMAs.
    public struct Example: Sendable {
        /// When the attempt was made, in nanoseconds of CLOCK_MONOTONIC.
        public var time: UInt64
        /// The range that was proposed, with the attributes that it was to have.
        public var proposed: VMA
        /// The VMA that ends where the range begins; nil where prev is no side.
        public var prev: VMA?
        /// The VMA that begins where the range ends; nil where next is no side.
        public var next: VMA?
    }

    /// Misses that are alike: how many there were, and the first.
    public struct Row: Sendable {
        /// What the misses of the row have in common.
        public var key: Key
        /// How many missed sides have this key.
        public var count: Int
        /// The first of them.
        public var example: Example
    }

    private static let rowLimit = 50_000
    /// Rows without a stack beyond these, and those without details beyond these.
    private static let (plainLimit, bareLimit) = (10_000, 5000)

    private var index: [Key: Int] = [:]
    /// The rows in the order of their first miss.
    public private(set) var rows: [Row] = []
    /// Misses whose stack, or more than that, was dropped because there were too many different rows.
    public private(set) var folded = 0

    /// Counts a miss. Returns true if its key is new.
    @discardableResult
    public mutating func add(_ key: Key, _ example: @autoclosure () -> Example) -> Bool {
        if let at = index[key] {
            rows[at].count += 1
            return false
        }
        if let other = folded(key) {
            folded += 1
            return add(other, example())
        }
        index[key] = rows.count
        rows.append(Row(key: key, count: 1, example: example()))
        return true
    }

    /// The key that a new row has for want of room: without a stack, then without the exact difference, and then that
    /// of all address spaces together. Nil while there is room.
    private func folded(_ key: Key) -> Key? {
        var other = key
        if rows.count >= Self.rowLimit { other.stack = 0 }
        if rows.count >= Self.rowLimit + Self.plainLimit { other.detail = nil }
        if rows.count >= Self.rowLimit + Self.plainLimit + Self.bareLimit { (other.mm, other.answers) = (0, WhatIfAnswers()) }
        return other == key ? nil : other
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
    /// Merge attempts: calls of the hooked functions, or, where they are concluded from rows, those with a neighbour.
    public var attempts = 0
    /// Attempts in which at least one side merged.
    public var merged = 0
    /// The same, by operation.
    public var mergedBy: [Operation: Int] { merges.dictionary }
    private var merges = Counts<Operation>()
    /// Missed sides: one attempt can miss two.
    public var missed = 0
    /// Missed sides by all their blockers; the empty set is unexplained.
    public var missedBy: [Blockers: Int] { misses.dictionary }
    var misses = Counts<Blockers>()
    /// The proposals' answers for misses by pgoff and anon_vma alone.
    public private(set) var byProposal = WhatIfCounts()
    /// The answers of the 2022 series.
    public var whatIf: [WhatIf: Int] { byProposal[Proposals.rfc] }
    /// What the proposals would have gained.
    public private(set) var gain = Gain()

    /// No attempt yet.
    public init() {}

    mutating func add(_ attempt: MergeAttempt, _ verdict: Verdict, isNearLimit: Bool = false) {
        gain.add(attempt, verdict, isNearLimit: isNearLimit)
        attempts += 1
        if attempt.outcome.merged {
            merged += 1
            merges.add(attempt.operation)
        }
        for side in verdict.sides where side.missed {
            missed += 1
            misses.add(side.blockers)
            byProposal.add(side.answers)
        }
    }

    /// Adds the pages of a move that is no attempt.
    mutating func addMove(_ attempt: MergeAttempt, _ verdict: Verdict) {
        gain.add(attempt, verdict, isNearLimit: false)
    }

    /// Adds the counts of another address space.
    public mutating func add(_ other: Tally) {
        attempts += other.attempts
        merged += other.merged
        merges.add(other.merges)
        missed += other.missed
        misses.add(other.misses)
        byProposal.add(other.byProposal)
        gain.add(other.gain)
    }
}
