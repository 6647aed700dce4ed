import Foundation
import Testing

/// scenarios/load/forked.c: children of a process with more VMAs than a few records hold.
@Suite("children of many VMAs", .serialized)
struct ForkTests {
    @Test("are told whole", arguments: [3000, 12_000, 30_000])
    func whole(_ count: Int) throws {
        let folder = try TemporaryFolder()
        let source = Repository.root.appendingPathComponent("scenarios/load/forked.c").path
        try Shell.must("clang", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", folder.path("forked"), source)
        let outcome = try Vmascope.run(
            ["run", "--no-stacks", "--json", "--output", folder.path("r.json"), "--", folder.path("forked"), "\(count)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try ReportFile(folder.text("r.json"))
        #expect(report.doubts.isEmpty, "\(report.doubts) \(outcome.errors)")
        #expect(report.processes.count == 3)
        // The children change protections of what is a VMA of its own, so their number stays.
        for process in report.processes { #expect(process.vmas.peak >= count && process.vmas.peak < count + 100) }
        #expect(report.processes.filter { $0.vmas.start >= count }.count == 2)
    }
}
