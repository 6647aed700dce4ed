/// Merges of a whole system over some time: what was counted one by one in the kernel, and what was
/// estimated from a sample of it.
public struct Flow: Sendable {
    /// What a write section of the mmap_lock leaves, as far as it can be counted without a look at a VMA.
    public enum Change: Int, CaseIterable, Sendable {
        case same, fewer, more
    }

    /// What is counted exactly: sections of one operation that left as many, fewer or more VMAs.
    public struct Count: Hashable, Sendable {
        public var operation: Operation
        public var change: Change

        public init(_ operation: Operation, _ change: Change) {
            self.operation = operation
            self.change = change
        }
    }

    /// Merge attempts that were counted one by one.
    public struct Attempts: Sendable, Equatable {
        /// Calls of the functions that consider a merge.
        public var count: UInt64
        /// Calls of the function that carries it out; nil where some merge without it.
        public var merged: UInt64?

        public init(count: UInt64, merged: UInt64?) {
            self.count = count
            self.merged = merged
        }
    }

    /// Which attempts can be counted, since the functions that consider them are hooked.
    public enum Hooks: Sendable {
        case none, all
        /// mmap and brk merge by themselves, where nothing can be hooked: 6.1 (vma_expand, inlined).
        case allButMergesOfNew

        func sums(_ counts: SectionCounts) -> [Operation: Attempts]? {
            guard self != .none else { return nil }
            var sums: [Operation: Attempts] = [:]
            for (index, operation) in Operation.allCases.enumerated() where counts.attempts[index] > 0 {
                let isKnown = self == .all || (operation != .mmap && operation != .brk)
                sums[operation] = Attempts(count: counts.attempts[index], merged: isKnown ? counts.merged[index] : nil)
            }
            return sums
        }
    }

    /// Sides missed that are alike.
    public struct Miss: Hashable, Sendable {
        public var operation: Operation
        public var blockers: Blockers

        public init(_ operation: Operation, _ blockers: Blockers) {
            self.operation = operation
            self.blockers = blockers
        }
    }

    /// Of one process, or of all.
    public struct Sums: Sendable {
        /// Exact: write sections, by operation and by what they left.
        public var counts: [Count: UInt64] = [:]
        /// Exact, too: attempts by operation. Nil where nothing is hooked.
        public var hooked: [Operation: Attempts]?
        /// Sections that were looked at in full.
        public var told: UInt64 = 0
        /// From those: attempts, those of them that merged, and sides missed. Those of all processes are
        /// estimated together, since intervals do not add up. Nil where nothing was looked at.
        public var attempts: Estimate?
        public var merged: Estimate?
        public var missed: Estimate?
        public var missedBy: [Miss: Estimate] = [:]
        public var recoverable: Estimate?

        public init() {}

        public var sections: UInt64 { counts.values.reduce(0, &+) }

        /// Of all operations; of merges nil if any is.
        public var allHooked: Attempts? {
            hooked?.values.reduce(Attempts(count: 0, merged: 0)) { sum, new in
                Attempts(count: sum.count &+ new.count, merged: sum.merged.flatMap { sum in new.merged.map { sum &+ $0 } })
            }
        }

        public func sections(_ operation: Operation) -> UInt64 {
            Change.allCases.reduce(0) { $0 &+ counts[Count(operation, $1), default: 0] }
        }
    }

    public var total = Sums()
    /// Those that had any; of those gone long ago only the sums are kept, in `total`.
    public var processes: [ProcessKey: Sums] = [:]
    /// One in so many sections was looked at in full, where it was most and where it was fewest.
    public var sampleOneIn: ClosedRange<Int> = 1 ... 1
    /// For which part of the time sections were counted at all: the budget may not allow all of it. What
    /// is counted is exact for that part, and never scaled up.
    public var watched = 1.0
    public var received: UInt64 = 0
    public var lost: UInt64 = 0
    /// Sections of the sample that could not be judged: more than could be read, or lost in part.
    public var unjudged: UInt64 = 0
    /// Sections of address spaces for which there was no room.
    public var unseen: UInt64 = 0
    /// Attempts of the sample on which the rules' prediction was compared with what the kernel did.
    public var checked = 0
    public var agreed = 0
    /// Sections of the sample: whether as many VMAs came and went in what was read as the kernel counts.
    /// Differences are among the disagreements.
    public var audit = Audit()
    /// The first that disagreed, in words.
    public var disagreements: [String] = []
    static let countEnding = " as the kernel counts"

    /// One of those is on a count of VMAs, and not on an attempt.
    public static func isOfCount(_ disagreement: String) -> Bool { disagreement.hasSuffix(countEnding) }

    public var unexplained: Int { checked - agreed }

    public init() {}
}

/// A figure from a sample, with the interval in which the true one lies in 95 of 100 cases. It is no
/// count: nothing here makes an integer of it.
public struct Estimate: Sendable, Equatable, CustomStringConvertible {
    public var value: Double
    public var low: Double
    public var high: Double

    public init(_ value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }

    /// How far the true figure may be off, at 95%.
    public var margin: Double { max(high - value, value - low, 0) }

    public static func / (estimate: Estimate, seconds: Double) -> Estimate {
        Estimate(estimate.value / seconds, low: estimate.low / seconds, high: estimate.high / seconds)
    }

    /// `1230 ± 45`
    public var description: String { "\(Self.text(value)) ± \(Self.text(margin))" }

    /// Three digits are enough for a figure that is not exact.
    private static func text(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        if abs(value) >= 100 { return "\(Int(value.rounded()))" }
        let tenths = Int((abs(value) * 10).rounded())
        return "\(value < 0 ? "-" : "")\(tenths / 10)" + (tenths % 10 == 0 ? "" : ".\(tenths % 10)")
    }
}
