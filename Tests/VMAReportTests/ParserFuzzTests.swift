import Foundation
import Testing

@testable import VMAReport

/// JSON that `diff` is given, on bytes that are wrong.
@Suite("ParserFuzz")
struct ParserFuzzTests {
    @Test func json() {
        func setting(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }
        var state = setting("VMASCOPE_FUZZ_SEED") ?? 1
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(below, 1)
        }
        var seed = ""
        JSONReport().render(Sample.report(), into: &seed)
        let whole = Array(seed.utf8)
        let (start, seconds) = (Date(), setting("VMASCOPE_FUZZ_SECONDS").map { Double($0) })
        var (done, slowest, read) = (0, 0.0, 0)
        while seconds.map({ Date().timeIntervalSince(start) < $0 }) ?? (done < 300) {
            var bytes = whole
            for _ in 0 ... random(8) {
                let at = random(bytes.count)
                switch random(6) {
                case 0: bytes[at] = UInt8(random(256))
                case 1: bytes.removeSubrange(at ..< min(bytes.count, at + random(20)))
                case 2: bytes.insert(contentsOf: Array("[[{\"\\u1e99,-.0".utf8.prefix(1 + random(14))), at: at)
                case 3: bytes.insert(contentsOf: Array(repeating: UInt8(ascii: "["), count: random(200)), at: at)
                case 4: bytes.insert(contentsOf: bytes[at ..< min(bytes.count, at + random(60))], at: random(bytes.count))
                default: if random(10) == 0 { bytes.removeSubrange(at...) }
                }
                if bytes.isEmpty { break }
            }
            let begin = Date()
            let text = String(decoding: bytes, as: UTF8.self)
            if let figures = try? Figures(text) {
                read += 1
                let comparison = Comparison(before: figures, after: figures)
                _ = comparison.text(("a", "b")) + comparison.json()
            }
            slowest = max(slowest, Date().timeIntervalSince(begin))
            done += 1
        }
        print("fuzzed \(done) JSON reports: \(read) read, the slowest took \(Int(slowest * 1000)) ms")
        #expect(slowest < 2)
    }
}
