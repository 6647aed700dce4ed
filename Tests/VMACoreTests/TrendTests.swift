import Testing

@testable import VMACore

@Suite("trends, drawn")
struct TrendTests {
    /// One count a second.
    private func trend(_ counts: [Int]) -> Trend? {
        let points = counts.enumerated().map { History.Point(time: 1_000_000_000 * UInt64($0.offset + 1), count: $0.element) }
        return Trend(points, until: 1_000_000_000 * UInt64(counts.count + 1))
    }

    /// The same on every machine, -5…5.
    private func noise(_ index: Int) -> Int { Int((UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15) >> 40) % 11 - 5 }

    @Test("growth is found at its rate, with noise, too, and with peaks")
    func growth() throws {
        let even = try #require(trend((0 ..< 60).map { 100 + 10 * $0 }))
        #expect(abs(even.perMinute - 600) < 1)
        let noisy = try #require(trend((0 ..< 120).map { 1000 + 3 * $0 + noise($0) }))
        #expect(abs(noisy.perMinute - 180) < 10)
        let peaks = try #require(trend((0 ..< 60).map { 100 + 10 * $0 + ($0 % 13 == 6 ? 5000 : 0) }))
        #expect(abs(peaks.perMinute - 600) < 30)
    }

    @Test("what falls has a negative rate, and no time to the limit")
    func fall() throws {
        let fall = try #require(trend((0 ..< 60).map { 1000 - 5 * $0 }))
        #expect(abs(fall.perMinute + 300) < 1)
        #expect(fall.seconds(from: 700, to: 65530) == nil)
    }

    @Test("the time to the limit is what is left at that rate; at the limit it is none")
    func timeToLimit() throws {
        let even = try #require(trend((0 ..< 60).map { 100 + 10 * $0 }))
        #expect(abs(try #require(even.seconds(from: 690, to: 1290)) - 60) < 1)
        #expect(even.seconds(from: 1300, to: 1290) == 0)
    }

    static let without: [(String, [Int])] = [
        ("flat", Array(repeating: 100, count: 60)),
        ("a step", Array(repeating: 100, count: 30) + Array(repeating: 900, count: 30)),
        ("a step near the end", Array(repeating: 100, count: 50) + Array(repeating: 900, count: 10)),
        ("two steps", Array(repeating: 1, count: 20) + Array(repeating: 5, count: 20) + Array(repeating: 9, count: 20)),
        ("a saw-tooth", (0 ..< 60).map { 100 + 10 * ($0 % 20) }),
        ("a coarse saw-tooth", (0 ..< 60).map { 100 + 10 * ($0 % 40) }),
        ("grown, then at rest", (0 ..< 60).map { 100 + 10 * min($0, 35) }),
        ("up and down", (0 ..< 60).map { 100 + 10 * min($0, 60 - $0) }),
    ]

    @Test("no trend", arguments: without)
    func none(_ name: String, _ counts: [Int]) { #expect(trend(counts) == nil, "\(name)") }

    @Test("noise has none")
    func noise() { #expect(trend((0 ..< 120).map { 1000 + noise($0) }) == nil) }

    @Test("a window that is too short says nothing, nor does an empty one")
    func tooShort() {
        let points = (0 ..< 40).map { History.Point(time: UInt64($0) * 100_000_000, count: 10 * $0) }
        #expect(Trend(points, until: 4_000_000_000) == nil)
        #expect(Trend([], until: 9_000_000_000) == nil)
        #expect(Trend([History.Point(time: 5, count: 1)], until: 5) == nil)
    }

    @Test("how long nothing changed counts, although nothing was noted then")
    func rest() {
        let points = (0 ..< 20).map { History.Point(time: UInt64($0) * 1_000_000_000, count: 10 * $0) }
        #expect(Trend(points, until: 20_000_000_000) != nil)
        #expect(Trend(points, until: 60_000_000_000) == nil)
    }
}
