/// Decides when the kernel's answers are read. Reading costs every process at every syscall, so it is done while
/// calls are refused, and for no more than a tenth of the time.
public struct Listening: Sendable {
    private let start: UInt64
    private var lastRefusal: UInt64?
    /// When the last answer to each address space came, of a bounded number of them.
    private var answered: [MMID: UInt64] = [:]
    private static let answeredLimit = 4096
    /// Nanoseconds for which an address space that had an answer has none read for it: one that is refused something
    /// every few seconds would use up the time for all others.
    private static let rest: UInt64 = 120_000_000_000
    private var since: UInt64?
    private var spent: UInt64 = 0

    /// How long to read after the last refusal, and how long before the tenth of the time counts, in nanoseconds.
    private static let (patience, credit) = (UInt64(5_000_000_000), UInt64(10_000_000_000))
    private static let share: UInt64 = 10

    /// - Parameter start: the start of the observation, in nanoseconds of CLOCK_MONOTONIC, as all times here.
    public init(start: UInt64) { self.start = start }

    /// Takes note of refusals and answers; other events change nothing.
    public mutating func note(_ event: Event) {
        switch event {
        case .refusal(let refusal):
            let (mm, time) = (refusal.origin.mm, refusal.origin.time)
            // What follows in the next seconds is of the same kind as what was answered.
            if let last = answered[mm], time > last + Self.patience, time < last + Self.rest { break }
            lastRefusal = max(lastRefusal ?? 0, time)
        case .answer(let origin, _):
            if let last = answered[origin.mm], origin.time < last + Self.rest { break }
            if answered.count >= Self.answeredLimit { answered = [:] }
            answered[origin.mm] = origin.time
        default: break
        }
    }

    /// Whether answers are to be read from now on.
    public mutating func isWanted(_ now: UInt64) -> Bool {
        let spent = self.spent + (since.map { now &- min(now, $0) } ?? 0)
        let isRefused = lastRefusal.map { now < $0 + Self.patience } ?? false
        let isWanted = isRefused && spent < Self.credit + (now &- min(now, start)) / Self.share
        if isWanted { since = since ?? now } else { (self.spent, since) = (spent, nil) }
        return isWanted
    }
}
