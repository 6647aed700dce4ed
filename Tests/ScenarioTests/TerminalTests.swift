import Foundation
import Testing

/// What a terminal gets, which script(1) makes.
@Suite("on a terminal", .serialized)
struct TerminalTests {
    private static func run(_ environment: [String: String]) throws -> Outcome {
        try Shell.run(
            URL(fileURLWithPath: "/usr/bin/script"), ["-qec", "\(Repository.vmascope.path) run -- true", "/dev/null"],
            environment: environment)
    }

    @Test("a report has colours, unless NO_COLOR says something")
    func colour() throws {
        let coloured = try Self.run(["NO_COLOR": ""])
        #expect(coloured.output.contains("\u{1b}[1mvmascope"), "\(coloured.output.debugDescription)")
        let plain = try Self.run(["NO_COLOR": "1"])
        #expect(plain.output.contains("vmascope") && !plain.output.contains("\u{1b}"))
    }
}
