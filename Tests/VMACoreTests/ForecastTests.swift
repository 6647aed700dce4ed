import TestSupport
import Testing

@testable import VMACore

/// How often a forecast comes true, on curves that are drawn: each is seen for one window, and goes on.
@Suite("forecasts, on curves")
struct ForecastTests {
    private static let limit = 65_530
    private static let seeds = 500

    /// VMAs by the time in windows: 0 to 1 is seen.
    typealias Course = (Double) -> Double

    struct Curve: Sendable, CustomTestStringConvertible {
        var name: String
        /// For how many windows before the one that is seen the process has lived.
        var life: Double
        /// Whether somebody has counted its VMAs all that time, as `system` does, or only its age is known.
        var wasSeen: Bool
        /// Of `seeds`, so many may be forecast to come to the limit that do not, or not nearly then.
        var mostFalse: Int
        /// Of `seeds`, so many may come to it within the next window without a forecast.
        var mostMissed: Int
        var make: @Sendable (inout SplitMix64) -> Course
        var testDescription: String { name }

        init(
            _ name: String, life: Double = 0, wasSeen: Bool = true, mostFalse: Int = 0, mostMissed: Int = 0,
            _ make: @escaping @Sendable (inout SplitMix64) -> Course
        ) {
            self.name = name
            (self.life, self.wasSeen) = (life, wasSeen)
            (self.mostFalse, self.mostMissed, self.make) = (mostFalse, mostMissed, make)
        }
    }

    /// One that comes to the limit after so many windows at this rate.
    private static func leak(_ draw: inout SplitMix64) -> (base: Double, rate: Double) {
        let base = draw.between(50, 5000)
        return (base, (Double(limit) - base) / draw.between(1.2, 5))
    }

    static let curves: [Curve] = [
        Curve("linear") { draw in
            let (base, rate) = leak(&draw)
            return { base + rate * $0 }
        },
        Curve("linear, with noise") { draw in
            let (base, rate) = leak(&draw)
            let noise = draw.noise(rate * draw.between(0, 0.03))
            return { base + rate * $0 + noise($0) }
        },
        Curve("linear, and far from the limit") { draw in
            let (base, rate) = (draw.between(50, 2000), draw.between(10, 1000))
            return { base + rate * $0 }
        },
        Curve("quadratic") { draw in
            let base = draw.between(50, 5000)
            let hit = draw.between(1.2, 5)
            let rate = (Double(limit) - base) / (hit * hit)
            return { base + rate * max(0, $0) * max(0, $0) }
        },
        Curve("a leak that begins in a process that is old", life: 100) { draw in
            let (base, rate) = leak(&draw)
            return { base + rate * max(0, $0) }
        },
        Curve("a staircase") { draw in
            let (base, rate) = leak(&draw)
            let step = draw.between(0.02, 0.12)
            return { base + rate * step * ($0 / step).rounded(.down) }
        },
        Curve("a leak with waves", mostMissed: 5) { draw in
            let (base, rate) = leak(&draw)
            let wave = draw.wave(rate * draw.between(0, 0.1), draw.between(0.05, 0.3))
            return { base + rate * $0 + wave($0) }
        },
        Curve("saturating") { draw in
            let (all, time) = (draw.between(0.01, 0.9) * Double(limit), draw.between(0.15, 1))
            let noise = draw.noise(all * draw.between(0, 0.01))
            let start = draw.between(0, 1)
            return { all * (1 - decay($0 / time + start)) + noise($0) }
        },
        Curve("saturating slowly") { draw in
            let (all, time) = (draw.between(0.01, 0.9) * Double(limit), draw.between(0.1, 1))
            return { all * $0 / ($0 + time) }
        },
        Curve("a saw-tooth", life: 2, sawTooth),
        Curve("a saw-tooth, in an old process that nobody has watched", life: 100, wasSeen: false, mostFalse: 15, sawTooth),
        Curve("a saw-tooth, from its first tooth on", mostFalse: 35, sawTooth),
        Curve("steps") { draw in
            let base = draw.between(50, 2000)
            let steps = (0 ... draw.below(4)).map { _ in (draw.between(0, 1), draw.between(10, 10000)) }
            return { time in base + steps.reduce(0) { $0 + (time >= $1.0 ? $1.1 : 0) } }
        },
        Curve("noise") { draw in
            let base = draw.between(50, 50000)
            let noise = draw.noise(0.1 * base)
            return { base + noise($0) }
        },
        Curve("waves, of which one has passed", life: 20, waves),
        Curve("waves, in an old process that nobody has watched", life: 100, wasSeen: false, mostFalse: 40, waves),
        Curve("waves, of which nothing but what is seen is known", mostFalse: 110, waves),
        Curve("growth, then rest within the window") { draw in
            let (base, rate, rest) = (draw.between(50, 2000), draw.between(100, 60000), draw.between(0.3, 0.95))
            return { base + rate * min($0, rest) }
        },
    ]

    private static func sawTooth(_ draw: inout SplitMix64) -> Course {
        let (base, height, period, phase) = (
            draw.between(50, 20000), draw.between(10, 40000), draw.between(0.05, 1.5), draw.between(0, 1)
        )
        return { time in
            let at = time / period + phase
            return base + height * (at - at.rounded(.down))
        }
    }

    /// From shorter than the window to twenty times as long.
    private static func waves(_ draw: inout SplitMix64) -> Course {
        let wave = draw.wave(draw.between(0.05, 0.45) * Double(limit), draw.between(0.2, 20))
        let phase = draw.between(0, 20)
        return { 0.5 * Double(limit) + wave($0 + phase) }
    }

    /// What is false is so only where all that was ever seen is growth: a leak would look the same.
    @Test("few false alarms, none where a fall was seen, and few misses", arguments: curves)
    func rates(_ curve: Curve) {
        var (forecasts, alarms, misses, avoidable, leaks) = (0, 0, 0, 0, 0)
        var draw = SplitMix64(state: 7)
        let window = 300.0
        for _ in 0 ..< Self.seeds {
            let course = curve.make(&draw)
            func count(_ time: Double) -> Int { Int(min(Double(Self.limit), max(0, course(time)))) }
            let points = (0 ..< 60).map { index in
                History.Point(time: UInt64(1e9 * (1 + window * Double(index) / 60)), count: count(Double(index) / 60))
            }
            let most = curve.wasSeen && curve.life > 0 ? (1 ... 200).map { count(-curve.life * Double($0) / 200) }.max()! : 0
            let past = Trend.Past(seconds: curve.life * window, most: most)
            let now = points.last!.count
            guard now < Self.limit else { continue }
            let forecast = Trend(points, until: UInt64(1e9 * (1 + window)), past: past)?.seconds(from: now, to: Self.limit).map {
                $0 / window
            }
            let comes = (1 ... 400).lazy.map { 1 + Double($0) / 20 }.first { course($0) >= Double(Self.limit) }.map { $0 - 1 }
            if let comes, comes < 1 { leaks += 1 }
            if let forecast {
                forecasts += 1
                guard comes.map({ $0 > 2 * forecast + 0.5 }) ?? true else { continue }
                alarms += 1
                if zip(points, points.dropFirst()).contains(where: { 20 * ($0.count - $1.count) > now }) { avoidable += 1 }
            } else if let comes, comes < 1 {
                misses += 1
            }
        }
        print("\(curve.name): \(alarms) false of \(Self.seeds) courses (\(forecasts) forecast); \(misses) missed of \(leaks)")
        #expect(alarms <= curve.mostFalse && misses <= curve.mostMissed && avoidable == 0)
    }

    @Test("at the limit it is now, trend or none; and nothing is told of what is ten windows off")
    func ends() throws {
        let points = (0 ..< 60).map { History.Point(time: UInt64($0 + 1) * 1_000_000_000, count: 10 * $0) }
        let trend = try #require(Trend(points, until: 61_000_000_000))
        #expect(abs(trend.observed - 60) < 0.01)
        #expect(trend.seconds(from: 590, to: 590) == 0)
        #expect(trend.seconds(from: 590, to: 590 + 5_900) != nil && trend.seconds(from: 590, to: 590 + 6_100) == nil)
    }
}

/// e^-x, without Foundation.
private func decay(_ x: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    let part = -x / 16
    for index in 1 ... 12 {
        term *= part / Double(index)
        sum += term
    }
    return (0 ..< 4).reduce(sum) { power, _ in power * power }
}

extension SplitMix64 {
    fileprivate mutating func between(_ low: Double, _ high: Double) -> Double {
        low + (high - low) * Double(next() >> 11) / Double(1 << 53)
    }

    /// About normal, the same at the same time.
    fileprivate mutating func noise(_ deviation: Double) -> (Double) -> Double {
        let seed = next()
        return { time in
            var draw = SplitMix64(state: seed ^ time.bitPattern)
            return deviation * (0 ..< 12).reduce(-6.0) { sum, _ in sum + draw.between(0, 1) }
        }
    }

    /// Half circles, up and down: near enough to a sine.
    fileprivate mutating func wave(_ height: Double, _ period: Double) -> (Double) -> Double {
        let phase = between(0, 1)
        return { time in
            let at = time / period + phase
            let part = 2 * (at - at.rounded(.down))
            let arc = part < 1 ? 4 * part * (1 - part) : -4 * (part - 1) * (2 - part)
            return height * arc
        }
    }
}
