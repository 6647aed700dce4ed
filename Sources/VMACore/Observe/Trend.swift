/// Whether the number of VMAs grows (or falls) steadily, and how fast.
///
/// The window is cut into ten parts of the same length, each of which counts by its median, so that
/// peaks do not. Mann and Kendall's test says whether the ten go one way: neither one step nor two
/// pass it, nor does a saw-tooth. Theil and Sen's estimate, the median of all slopes, is the rate.
public struct Trend: Sendable, Equatable {
    /// VMAs a minute; negative where they become fewer.
    public var perMinute: Double

    /// Less says nothing: programs start, and then they rest.
    public static let shortest = 5.0  // s
    private static let parts = 10
    private static let samplesPerPart = 6
    /// Standard deviations: one chance of a thousand that there is no trend.
    private static let significance = 3.29

    /// Nil where there is no trend, or too little was seen to tell.
    ///
    /// - Parameters:
    ///   - points: in order of time, each count holding until the next point.
    ///   - end: CLOCK_MONOTONIC nanoseconds at which the last count still held.
    public init?(_ points: [History.Point], until end: UInt64) {
        guard let first = points.first, end > first.time else { return nil }
        let seconds = Double(end - first.time) / 1e9
        guard seconds >= Self.shortest else { return nil }
        let medians = Self.medians(points, from: first.time, to: end)
        guard abs(Self.mannKendall(medians)) > Self.significance else { return nil }
        let slope = Self.theilSen(medians)
        // What has come to rest has no trend any more, however it came there.
        guard slope * Self.theilSen(medians.suffix(4)) > 0 else { return nil }
        perMinute = slope * Double(Self.parts) / seconds * 60
    }

    /// Seconds until there are `limit` of them; nil where they don't become more.
    public func seconds(from now: Int, to limit: Int) -> Double? {
        perMinute > 0 ? Double(max(0, limit - now)) / perMinute * 60 : nil
    }

    private static func medians(_ points: [History.Point], from start: UInt64, to end: UInt64) -> [Double] {
        let count = parts * samplesPerPart
        var samples: [Double] = []
        var at = 0
        for index in 1...count {
            // In parts, since no product of the two need fit.
            let length = end - start
            let time = start + length / UInt64(count) * UInt64(index) + length % UInt64(count) * UInt64(index) / UInt64(count)
            while at + 1 < points.count, points[at + 1].time <= time { at += 1 }
            samples.append(Double(points[at].count))
        }
        return (0..<parts).map { median(Array(samples[$0 * samplesPerPart..<($0 + 1) * samplesPerPart])) }
    }

    /// The test's statistic in standard deviations, corrected for ties; 0 where all are equal.
    static func mannKendall(_ values: [Double]) -> Double {
        var sum = 0.0
        for (i, left) in values.enumerated() {
            for right in values[(i + 1)...] where right != left { sum += right > left ? 1 : -1 }
        }
        var ties: [Double: Double] = [:]
        for value in values { ties[value, default: 0] += 1 }
        func weight(_ n: Double) -> Double { n * (n - 1) * (2 * n + 5) / 18 }
        let variance = weight(Double(values.count)) - ties.values.reduce(0) { $0 + weight($1) }
        guard sum != 0, variance > 0 else { return 0 }
        return (abs(sum) - 1) / variance.squareRoot() * (sum > 0 ? 1 : -1)
    }

    /// The median slope, in units a step.
    static func theilSen(_ values: some Collection<Double>) -> Double {
        let values = Array(values)
        var slopes: [Double] = []
        for i in values.indices {
            for j in values.indices where j > i { slopes.append((values[j] - values[i]) / Double(j - i)) }
        }
        return median(slopes)
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
