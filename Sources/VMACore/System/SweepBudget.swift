/// Decides which layouts are looked at, within a share of one processor, a little at a time: nobody's lock is held for
/// longer than one reading takes, and the loop goes on in between. Pure: the cost is asked of the caller.
public struct SweepBudget<Work> {
    /// Seconds of processor time that may be spent; below 0 after a large layout, until that is made up for.
    public private(set) var credit = 0.0
    private var queue: ArraySlice<Work> = []

    /// Seconds of processor time that one slice takes at most, one piece of work beyond it.
    private static var sliceTime: Double { 0.003 }

    public init() {}

    public var hasWork: Bool { !queue.isEmpty && credit > 0 }

    /// What is not spent is gone: there is no saving up for a burst.
    ///
    /// - Parameters:
    ///   - seconds: of processor time until the next call.
    ///   - order: what to do, the most urgent first.
    public mutating func refill(_ seconds: Double, _ order: [Work]) {
        credit = max(0, seconds) + min(credit, 0)
        queue = order[...]
    }

    /// - Parameters:
    ///   - cost: seconds of processor time spent until now.
    ///   - work: does one piece.
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
