/// The number of VMAs of an address space over time, thinned out as it grows longer.
public struct History: Sendable, Equatable {
    /// A count, and the time from which on it holds.
    public struct Point: Sendable, Equatable {
        /// The first time that the point stands for, in nanoseconds of CLOCK_MONOTONIC.
        public var time: UInt64
        /// The most VMAs that there were until the next point.
        public var count: Int
    }

    /// In order of time.
    public private(set) var points: [Point] = []
    /// Each point stands for this many nanoseconds, or for as long as nothing changed.
    public private(set) var interval: UInt64 = 1_000_000
    static let limit = 512

    mutating func note(_ count: Int, at time: UInt64) {
        if let last = points.indices.last, points[last].time / interval >= time / interval {
            points[last].count = max(points[last].count, count)
            return
        }
        points.append(Point(time: time, count: count))
        if points.count > Self.limit { thin() }
    }

    private mutating func thin() {
        interval *= 2
        var thinned = History()
        thinned.interval = interval
        for point in points { thinned.note(point.count, at: point.time) }
        points = thinned.points
        if points.count > Self.limit { thin() }
    }
}
