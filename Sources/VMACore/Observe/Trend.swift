/// Whether the number of VMAs grows (or falls) steadily, how fast, and whether that brings it to a limit.
///
/// The time is cut into ten parts of the same length, each of which counts by its median, so that peaks do not count.
/// Mann and Kendall's test says whether the ten medians go one way: neither one step, nor two, nor a saw-tooth passes
/// it. The rate is Theil and Sen's estimate, the median of all slopes.
///
/// There is no rate where most of the growth is one step, or a few, and none where it is taken back: a saw-tooth
/// shows itself by its fall. There is none where the growth comes to rest, either: where the slope of the last third
/// is less than half of the median slope, or that of the end is much less, or where nothing has come for longer than
/// ever before.
///
/// A forecast reaches no further than ten times what was observed, and twice as far where the process is so old
/// that the growth can't have gone on for long (`Past`). There is none where the process had as many before. Where
/// growth slows down, it is taken to go on slowing down by the same factor, and there is no forecast if it comes to
/// rest before the limit.
public struct Trend: Sendable, Equatable {
    /// The rate in VMAs a minute; negative where VMAs become fewer.
    public var perMinute: Double
    /// The time in seconds over which the counts were seen.
    public var observed: Double
    /// The rate of the last third in VMAs a minute, where growth speeds up; else `perMinute`.
    private var recentPerMinute: Double
    /// VMAs that are still to come if growth goes on slowing down; nil if it does not slow down.
    private var rest: Double?
    /// Of the counts that it rests on, how long the process had lived before, and what it had.
    private var past: Past?

    /// What is known of a process from before the counts that are looked at.
    public struct Past: Sendable, Equatable {
        /// How long it had lived.
        public var seconds: Double
        /// The most VMAs it had, of what was seen.
        public var most: Int

        /// A past of `seconds`, in which the process had at most `most` VMAs.
        public init(seconds: Double, most: Int) {
            self.seconds = seconds
            self.most = most
        }
    }

    /// Less says nothing: programs start, and then they rest.
    public static let shortest = 5.0  // s
    /// A forecast reaches at most this many times the observed time.
    public static let reach = 10.0
    /// The same for growth that has begun lately: the process is older by this factor than the rate explains.
    private static let (shortReach, older) = (2.0, 3.0)
    /// Of all growth: what a fall may take back.
    private static let largestFall = 0.5
    /// Times that the count has risen.
    private static let fewestRises = 5
    /// Samples without a change at the end, at least, and by which factor they are more than ever before.
    private static let (pause, longerPause) = (3, 1.5)
    private static let parts = 10
    private static let samplesPerPart = 6
    /// In standard deviations: the chance is one in a thousand that there is no trend.
    private static let significance = 3.29
    /// The slope that the last third, and the last two steps, must have at least, as a part of the median slope.
    private static let (lastThird, lastSteps) = (0.5, 0.6)
    /// The part of the growth that one step from part to part may have at most.
    private static let largestStep = 0.35
    /// Growth speeds up if the last third has this many times the median slope.
    private static let faster = 1.25
    /// The second half's slope may fall short of the first half's by this factor by chance.
    private static let chance = 1.1
    /// VMAs by which the two halves may differ only because counts are whole.
    private static let quantum = 2.0

    /// Nil where there is no trend, or too little was seen to tell.
    ///
    /// - Parameters:
    ///   - points: in order of time, each count holding until the next point.
    ///   - end: CLOCK_MONOTONIC nanoseconds at which the last count still held.
    ///   - past: what is known of the time before the first point.
    public init?(_ points: [History.Point], until end: UInt64, past: Past? = nil) {
        guard let first = points.first, end > first.time else { return nil }
        let seconds = Double(end - first.time) / 1e9
        guard seconds >= Self.shortest else { return nil }
        let samples = Self.samples(points, from: first.time, to: end)
        let medians = Self.medians(samples)
        guard abs(Self.mannKendall(medians)) > Self.significance else { return nil }
        let slope = Self.theilSen(medians)
        guard slope < 0 || !Self.isTakenBack([Double(first.count)] + samples) && !Self.rests(samples) else { return nil }
        // What has come to rest has no trend any more, however it came there.
        let last = Self.theilSen(medians.suffix(4))
        guard last * slope > 0, last / slope >= Self.lastThird, Self.goesOn(medians, slope) else { return nil }
        let perSlope = Double(Self.parts) / seconds * 60
        perMinute = slope * perSlope
        recentPerMinute = (last > Self.faster * slope ? last : slope) * perSlope
        observed = seconds
        rest = Self.rest(medians)
        self.past = past
    }

    /// Seconds until the count reaches `limit`; 0 if it has. Nil where VMAs do not become more, where growth would
    /// come to rest before, or where that is too far off to foresee.
    public func seconds(from now: Int, to limit: Int) -> Double? {
        if now >= limit { return 0 }
        guard perMinute > 0 else { return nil }
        if let rest, Double(now) + rest < Double(limit) { return nil }
        let seconds = Double(limit - now) / recentPerMinute * 60
        return seconds <= reach(now) * observed ? seconds : nil
    }

    private func reach(_ now: Int) -> Double {
        guard let past else { return Self.reach }
        if past.most > now { return 0 }
        let grown = perMinute * (past.seconds + observed) / 60
        return grown > Self.older * Double(now) ? Self.shortReach : Self.reach
    }

    /// Whether a fall took back much of what there was of growth. A sample that is unlike both beside it is a peak.
    private static func isTakenBack(_ samples: [Double]) -> Bool {
        var smooth = samples
        for index in samples.indices.dropFirst().dropLast() { smooth[index] = median(Array(samples[index - 1 ... index + 1])) }
        var (most, fall) = (-Double.infinity, 0.0)
        for count in smooth {
            most = max(most, count)
            fall = max(fall, most - count)
        }
        return fall > largestFall * ((smooth.max() ?? 0) - (smooth.min() ?? 0))
    }

    /// Whether it has risen a few times only, or not for longer than ever before.
    private static func rests(_ samples: [Double]) -> Bool {
        var (longest, pause, rises) = (0, 0, 0)
        for (last, next) in zip(samples, samples.dropFirst()) {
            if next > last { rises += 1 }
            if next == last {
                pause += 1
            } else {
                (longest, pause) = (max(longest, pause), 0)
            }
        }
        return rises < fewestRises || pause >= Self.pause && Double(pause) > longerPause * Double(longest)
    }

    /// Whether the growth is not a single step, and has not ended.
    private static func goesOn(_ medians: [Double], _ slope: Double) -> Bool {
        let steps = zip(medians, medians.dropFirst()).map { ($1 - $0) / slope }
        let largest = steps.max() ?? 0
        let end = steps.suffix(2).reduce(0, +) / 2
        return largest <= largestStep * steps.reduce(0, +) && end >= lastSteps
    }

    private static func rest(_ medians: [Double]) -> Double? {
        let half = parts / 2
        let (early, late) = (theilSen(medians.prefix(half)), theilSen(medians.suffix(half)))
        guard early > 0, late > 0 else { return nil }
        // Counts are whole: of a few VMAs the halves' slopes differ by chance.
        guard (early - late) * Double(half - 1) > quantum else { return nil }
        let factor = late / early * chance
        return factor < 1 ? late * Double(half) * factor / (1 - factor) : nil
    }

    private static func samples(_ points: [History.Point], from start: UInt64, to end: UInt64) -> [Double] {
        let count = parts * samplesPerPart
        var samples: [Double] = []
        var at = 0
        for index in 1 ... count {
            // In parts, since no product of the two need fit.
            let length = end - start
            let time = start + length / UInt64(count) * UInt64(index) + length % UInt64(count) * UInt64(index) / UInt64(count)
            while at + 1 < points.count, points[at + 1].time <= time { at += 1 }
            samples.append(Double(points[at].count))
        }
        return samples
    }

    private static func medians(_ samples: [Double]) -> [Double] {
        (0 ..< parts).map { median(Array(samples[$0 * samplesPerPart ..< ($0 + 1) * samplesPerPart])) }
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
