/// When to listen to what the kernel answers. It costs every process at every syscall, so it is done while calls are
/// refused, and for no more than a tenth of the time.
public struct Listening: Sendable {
    private let start: UInt64
    private var lastRefusal: UInt64?
    private var since: UInt64?
    private var spent: UInt64 = 0

    /// Nanoseconds: after the last refusal, and what may be spent before the share counts.
    private static let (patience, credit) = (UInt64(5_000_000_000), UInt64(10_000_000_000))
    private static let share: UInt64 = 10

    /// - Parameter start: CLOCK_MONOTONIC nanoseconds, as all times.
    public init(start: UInt64) { self.start = start }

    public mutating func note(_ event: Event) {
        if case .refusal(let refusal) = event { lastRefusal = max(lastRefusal ?? 0, refusal.origin.time) }
    }

    /// Whether to listen from now on.
    public mutating func isWanted(_ now: UInt64) -> Bool {
        let spent = self.spent + (since.map { now &- min(now, $0) } ?? 0)
        let isRefused = lastRefusal.map { now < $0 + Self.patience } ?? false
        let isWanted = isRefused && spent < Self.credit + (now &- min(now, start)) / Self.share
        if isWanted { since = since ?? now } else { (self.spent, since) = (spent, nil) }
        return isWanted
    }
}
