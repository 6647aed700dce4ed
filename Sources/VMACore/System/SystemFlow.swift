/// What happened in a whole system over some time: sections and attempts that the kernel's side counted, and figures
/// that were estimated from a sample of sections.
public struct Flow: Sendable {
    /// How a write section changed the number of VMAs, which can be counted without reading a VMA.
    public enum Change: Int, CaseIterable, Sendable {
        case same, fewer, more
    }

    /// A kind of section that is counted exactly: of one operation, and with as many, fewer or more VMAs after it.
    public struct Count: Hashable, Sendable {
        /// The operation of the section.
        public var operation: Operation
        /// Whether there were as many VMAs after it, fewer or more.
        public var change: Change

        /// The kind of sections of this operation that changed the number of VMAs so.
        public init(_ operation: Operation, _ change: Change) {
            self.operation = operation
            self.change = change
        }
    }

    /// Merge attempts that the kernel's side counted, with hooks.
    public struct Attempts: Sendable, Equatable {
        /// Calls of the functions that consider a merge.
        public var count: UInt64
        /// Calls of the function that carries a merge out; nil where some merges pass no such function.
        public var merged: UInt64?

        /// `count` attempts; `merged` is nil where merges are not counted.
        public init(count: UInt64, merged: UInt64?) {
            self.count = count
            self.merged = merged
        }
    }

    /// Which attempts can be counted, by the functions that are hooked.
    public enum Hooks: Sendable {
        case none, all
        /// mmap and brk merge in functions that can't be hooked: 6.1 (vma_expand, inlined).
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

    /// A kind of missed sides: of one operation, and with the same blockers.
    public struct Miss: Hashable, Sendable {
        /// The operation during which the merges were missed.
        public var operation: Operation
        /// All rules that refuse the merges.
        public var blockers: Blockers

        /// The kind of misses during this operation, by exactly these rules.
        public init(_ operation: Operation, _ blockers: Blockers) {
            self.operation = operation
            self.blockers = blockers
        }
    }

    /// The figures of one process, or of all processes.
    public struct Sums: Sendable {
        /// Counted: write sections by operation and by change.
        public var counts: [Count: UInt64] = [:]
        /// Counted: attempts by operation; nil where nothing is hooked.
        public var hooked: [Operation: Attempts]?
        /// Counted: sections that were recorded.
        public var recorded: UInt64 = 0
        /// Sections that are in no other figure: the process alone would have used up the budget.
        public var skipped: UInt64 = 0
        /// Estimated from the recorded sections: merge attempts. Nil where no section was recorded, as are the
        /// estimates below. All processes are estimated together, since intervals do not add up.
        public var attempts: Estimate?
        /// Estimated: attempts in which at least one side merged.
        public var merged: Estimate?
        /// Estimated: missed sides.
        public var missed: Estimate?
        /// Estimated: missed sides by operation and blockers.
        public var missedBy: [Miss: Estimate] = [:]
        /// Estimated: missed sides that the 2022 series would have merged.
        public var recoverable: Estimate?

        /// Nothing counted, and no estimate.
        public init() {}

        /// Counted: write sections of all operations.
        public var sections: UInt64 { counts.values.reduce(0, &+) }

        /// The attempts of all operations; `merged` is nil if it is for any operation.
        public var allHooked: Attempts? {
            hooked?.values.reduce(Attempts(count: 0, merged: 0)) { sum, new in
                Attempts(count: sum.count &+ new.count, merged: sum.merged.flatMap { sum in new.merged.map { sum &+ $0 } })
            }
        }

        /// The number of sections of one operation.
        public func sections(_ operation: Operation) -> UInt64 {
            Change.allCases.reduce(0) { $0 &+ counts[Count(operation, $1), default: 0] }
        }
    }

    /// The sums over all processes.
    public var total = Sums()
    /// The processes that had sections. Of processes that exited long ago only the sums are kept, in `total`.
    public var processes: [ProcessKey: Sums] = [:]
    /// The sampling rate: one in this many sections was recorded, at the most and at the least busy time.
    public var sampleOneIn: ClosedRange<Int> = 1 ... 1
    /// The part of the time in which sections were counted at all, which the budget may limit. Counts are exact for
    /// that part, and never scaled up.
    public var watched = 1.0
    /// The part of the time in which sections were recorded, too, and attempts were counted. What is estimated is
    /// estimated for that part.
    public var sampled = 1.0
    /// Records of BPF programs that arrived.
    public var received: UInt64 = 0
    /// Records that were lost.
    public var lost: UInt64 = 0
    /// Recorded sections that could not be judged: they had more rows than can be read, or lost a part.
    public var unjudged: UInt64 = 0
    /// Sections of address spaces for which the kernel's side had no room.
    public var unseen: UInt64 = 0
    /// Attempts of the recorded sections on which the rules' prediction was compared with what the kernel did.
    public var checked = 0
    /// Attempts of them on which the two are equal.
    public var agreed = 0
    /// The comparison of recorded sections with the kernel's count: whether as many VMAs came and went in the rows.
    /// Differences are among the disagreements.
    public var audit = Audit()
    /// The first disagreements, in words.
    public var disagreements: [String] = []
    static let countEnding = " as the kernel counts"

    /// Whether a disagreement is about a count of VMAs, and not about an attempt.
    public static func isOfCount(_ disagreement: String) -> Bool { disagreement.hasSuffix(countEnding) }

    /// Attempts on which they differ: the kernel has a rule that vmascope does not know.
    public var unexplained: Int { checked - agreed }

    /// Nothing happened, and all of the time was watched.
    public init() {}
}

/// A figure that is concluded from a sample, with the interval in which the true figure lies in 95 of 100 cases. It
/// is not a count: nothing here makes an integer of it.
public struct Estimate: Sendable, Equatable, CustomStringConvertible {
    /// The estimate itself: unbiased, and seldom an integer.
    public var value: Double
    /// The lower end of the interval.
    public var low: Double
    /// The upper end of the interval.
    public var high: Double

    /// An estimate, and the ends of its interval in the same unit.
    public init(_ value: Double, low: Double, high: Double) {
        self.value = value
        self.low = low
        self.high = high
    }

    /// How far the true figure may be from `value`, at 95%.
    public var margin: Double { max(high - value, value - low, 0) }

    /// The estimate per second, of an estimate for so many seconds.
    public static func / (estimate: Estimate, seconds: Double) -> Estimate {
        Estimate(estimate.value / seconds, low: estimate.low / seconds, high: estimate.high / seconds)
    }

    /// `1230 ± 45`
    public var description: String { "\(Self.text(value)) ± \(Self.text(margin))" }

    /// Three digits are enough for an estimate.
    private static func text(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        if abs(value) >= 100 { return "\(Int(value.rounded()))" }
        let tenths = Int((abs(value) * 10).rounded())
        return "\(value < 0 ? "-" : "")\(tenths / 10)" + (tenths % 10 == 0 ? "" : ".\(tenths % 10)")
    }
}
