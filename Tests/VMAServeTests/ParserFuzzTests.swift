import Foundation
import Testing

@testable import VMAServe

/// HTTP requests, on bytes that are wrong.
@Suite("ParserFuzz")
struct ParserFuzzTests {
    @Test func requests() {
        func setting(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }
        var state = setting("VMASCOPE_FUZZ_SEED") ?? 1
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(below, 1)
        }
        let whole = Array("GET /metrics?a=b HTTP/1.1\r\nHost: localhost:9464\r\nAccept: */*\r\n\r\n".utf8)
        let (start, seconds) = (Date(), setting("VMASCOPE_FUZZ_SECONDS").map { Double($0) })
        var (done, pages) = (0, 0)
        while seconds.map({ Date().timeIntervalSince(start) < $0 }) ?? (done < 5000) {
            var bytes = whole
            for _ in 0 ..< random(5) {
                let at = random(bytes.count)
                switch random(4) {
                case 0: bytes[at] = UInt8(random(256))
                case 1: bytes.removeSubrange(at ..< min(bytes.count, at + random(8)))
                case 2: bytes.insert(contentsOf: bytes[at ..< min(bytes.count, at + random(40))], at: random(bytes.count))
                default: bytes.insert(contentsOf: Array(repeating: UInt8(random(256)), count: random(3) == 0 ? 9000 : 3), at: at)
                }
                if bytes.isEmpty { break }
            }
            var exchange = Exchange()
            var rest = bytes[...]
            var answered = false
            while !rest.isEmpty, !answered {
                let part = rest.prefix(1 + random(rest.count))
                rest = rest.dropFirst(part.count)
                if case .answer(let answer) = exchange.receive(part, page: { Exchange.page("x") }) {
                    #expect(answer.starts(with: "HTTP/1.1 ".utf8))
                    answered = true
                    if answer.starts(with: "HTTP/1.1 200".utf8) { pages += 1 }
                }
            }
            done += 1
        }
        print("fuzzed \(done) requests: \(pages) pages")
        #expect(pages > 0)
    }
}
