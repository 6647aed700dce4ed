import Foundation
import Testing

/// What KSM has of the VMA that mremap moves from decides whether the 2022 series would rewrite its page offset.
@Suite("pages of what is moved", .serialized)
struct PageTests {
    private static let switchPath = "/sys/kernel/mm/ksm/run"

    @Test("are looked at when it is moved", arguments: [("none", "recoverable"), ("rest", "shared"), ("part", "recoverable")])
    func moved(_ place: String, _ expected: String) throws {
        let folder = try TemporaryFolder()
        let source = Repository.root.appendingPathComponent("scenarios/load/ksm_move.c").path
        try Shell.must("clang", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", folder.path("ksm_move"), source)
        let before = try? String(contentsOfFile: Self.switchPath, encoding: .utf8)
        guard let before, (try? "1".write(toFile: Self.switchPath, atomically: false, encoding: .utf8)) != nil else { return }
        defer { try? before.write(toFile: Self.switchPath, atomically: false, encoding: .utf8) }
        let outcome = try Vmascope.run(["run", "--source", "tracepoints", "--json", "--", folder.path("ksm_move"), place])
        // KSM did not come to it: it has the processor's last share.
        if outcome.status == 3 { return }
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try ReportFile(outcome.output)
        #expect(report.doubts.isEmpty, "\(outcome.errors)")
        #expect(report.missed.filter { $0.op == "mremap" }.map(\.what_if) == [expected])
    }
}
