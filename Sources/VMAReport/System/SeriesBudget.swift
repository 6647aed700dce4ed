import VMACore

/// Decides which processes get series of their own in metrics. Whoever keeps them, Prometheus as a rule, keeps each for
/// weeks; and who starts large processes again and again, or moves one from cgroup to cgroup, makes new ones at each scrape.
public struct SeriesBudget: Sendable {
    private struct User: Sendable {
        /// How many new series it may have; below 0 for processes that are near the limit.
        var room: Double
        /// When `room` was last counted, in nanoseconds of CLOCK_MONOTONIC.
        var countedAt: UInt64
        /// By labels: when a series was last on the page.
        var series: [[String]: UInt64] = [:]
    }

    private var users: [UInt32: User] = [:]
    private let most: Double
    private static let hour = 3_600_000_000_000.0
    /// The least that a user's processes may have of new series in an hour, and how many more those that are near the limit.
    static let (least, urgent) = (100, 20.0)

    /// - Parameter top: how many processes have series of their own at once.
    public init(top: Int) { most = Double(max(Self.least, 4 * min(top, 1 << 20))) }

    /// Gives series to those that the page of this interval lists, as far as their users may have new ones. A series that
    /// was not on the page for an hour is new again.
    public mutating func update(_ interval: SystemInterval, top: Int) {
        let now = interval.time
        for (id, var user) in users {
            user.series = user.series.filter { now < $0.value &+ UInt64(Self.hour) }
            users[id] = user.series.isEmpty ? nil : user
        }
        for process in interval.listed(top).listed {
            let id = Self.id(process)
            var user = users[id] ?? User(room: most, countedAt: now)
            user.room = min(most, user.room + Double(now - min(now, user.countedAt)) / Self.hour * most)
            user.countedAt = max(now, user.countedAt)
            let labels = process.labels.map(\.1)
            let least = interval.warned.contains(process.key) ? 1 - Self.urgent : 1
            if user.series[labels] != nil {
                user.series[labels] = now
            } else if user.room >= least {
                user.room -= 1
                user.series[labels] = now
            }
            users[id] = user
        }
    }

    /// Whether a process has a series of its own.
    func has(_ process: ProcessStock) -> Bool { users[Self.id(process)]?.series[process.labels.map(\.1)] != nil }

    private static func id(_ process: ProcessStock) -> UInt32 { process.share }
}
