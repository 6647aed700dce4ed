/// Decides how many layouts are swept, within a share of one processor, a few at a time: the loop goes on in between.
/// Pure: the caller gives the cost.
public struct SweepBudget<Work> {
    /// Processor time that may be spent, in seconds; below 0 after a large layout, until that is made up for.
    public private(set) var credit = 0.0
    private var queue: ArraySlice<Work> = []

    /// Processor time of one slice, in seconds; the last piece of work may exceed it.
    private static var sliceTime: Double { 0.003 }

    /// Neither work nor credit, until `refill`.
    public init() {}

    /// Whether there is work, and credit for it.
    public var hasWork: Bool { !queue.isEmpty && credit > 0 }

    /// Sets the credit and the work for the next interval. Credit that was not spent is lost: there is no saving up
    /// for a burst.
    ///
    /// - Parameters:
    ///   - seconds: processor time that may be spent until the next call.
    ///   - order: the work, the most urgent first.
    public mutating func refill(_ seconds: Double, _ order: [Work]) {
        credit = max(0, seconds) + min(credit, 0)
        queue = order[...]
    }

    /// - Parameters:
    ///   - cost: processor time spent until now, in seconds.
    ///   - work: does one piece of work.
    public mutating func slice(cost: () -> Double, _ work: (Work) -> Void) {
        guard hasWork else { return }
        let start = cost()
        var used = 0.0
        while used < min(credit, Self.sliceTime), let next = queue.popFirst() {
            work(next)
            used = cost() - start
        }
        credit -= used
    }
}
