/// Merge attempts of a whole system over some time: what was counted one by one in the kernel, and
/// what was estimated from a sample.
public struct Flow: Sendable {
    /// What the kernel is seen to do without looking at any VMA.
    public enum Outcome: String, CaseIterable, Sendable {
        /// At least one side merged.
        case merged
        /// None did.
        case apart
    }

    /// What is counted exactly.
    public struct Count: Hashable, Sendable {
        public var operation: Operation
        public var outcome: Outcome

        public init(_ operation: Operation, _ outcome: Outcome) {
            self.operation = operation
            self.outcome = outcome
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
        /// Exact.
        public var counts: [Count: UInt64] = [:]
        /// Sides missed, from full records; those of all processes are estimated together, since
        /// intervals do not add up.
        public var missed: Estimate?
        public var missedBy: [Miss: Estimate] = [:]
        public var recoverable: Estimate?

        public init() {}

        public var attempts: UInt64 { counts.values.reduce(0, &+) }

        public func attempts(_ outcome: Outcome) -> UInt64 {
            counts.reduce(0) { $1.key.outcome == outcome ? $0 &+ $1.value : $0 }
        }
    }

    public var total = Sums()
    /// Those that had any; of those gone long ago only the sums are kept, in `total`.
    public var processes: [ProcessKey: Sums] = [:]
    /// One in so many attempts was looked at in full, where it was rarest and where it was commonest.
    public var sampleOneIn: ClosedRange<Int> = 1...1
    public var received: UInt64 = 0
    public var lost: UInt64 = 0
    /// Attempts of the sample on which the rules' prediction was compared with what the kernel did.
    public var checked = 0
    public var agreed = 0

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
