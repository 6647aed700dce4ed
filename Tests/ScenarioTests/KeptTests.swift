import Foundation
import TestSupport
import Testing

/// Files that earlier versions wrote, which every later one reads: Kept/VERSION.
@Suite("files of earlier versions")
struct KeptTests {
    private static let folder = Repository.root.appendingPathComponent("Tests/ScenarioTests/Kept")
    static let versions = (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.sorted() ?? []

    private func text(_ version: String, _ name: String) throws -> String {
        try String(contentsOf: Self.folder.appendingPathComponent(version).appendingPathComponent(name), encoding: .utf8)
    }

    private func path(_ version: String, _ name: String) -> String {
        Self.folder.appendingPathComponent(version).appendingPathComponent(name).path
    }

    @Test("are there") func there() { #expect(Self.versions.contains("0.1.0")) }

    @Test("are valid by today's schemas", arguments: versions)
    func valid(_ version: String) throws {
        for (name, schema) in [
            ("report.json", "report"), ("system-report.json", "report"), ("layout.json", "layout"), ("diff.json", "diff"),
            ("doctor.json", "doctor"),
        ] { _ = try Schema.valid(try text(version, name), schema) }
        for line in try text(version, "system.ndjson").split(separator: "\n") { _ = try Schema.valid(String(line), "system") }
    }

    @Test("a recording gives the counts that it gave then", arguments: versions)
    func recording(_ version: String) throws {
        let outcome = try Vmascope.run(["report", "--json", path(version, "report.vmt")])
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        let now = try ReportFile(outcome.output)
        let then = try JSONDecoder().decode(Then.self, from: Data(try text(version, "report.json").utf8))
        #expect(now.totals.attempts == then.totals.attempts && now.totals.missed == then.totals.missed)
        #expect(now.totals.missed_by == then.totals.missed_by && now.totals.what_if == then.totals.what_if)
        #expect(now.processes.map(\.comm) == then.processes.map(\.comm) && !now.missed.isEmpty)
        #expect(now.processes.map(\.vmas.peak) == then.processes.map(\.vmas.peak))
        #expect(now.missed.map(\.count) == then.missed.map(\.count))
    }

    @Test("a report can be compared with one of today, and with its recording", arguments: versions)
    func diff(_ version: String) throws {
        let outcome = try Vmascope.run(["diff", "--json", path(version, "report.json"), path(version, "report.vmt")])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let merges = try #require(
            (try JSONSerialization.jsonObject(with: Data(try Schema.valid(outcome.output, "diff").utf8)) as? [String: Any])?[
                "merges"]
                as? [String: [String: Any]])
        let attempts = try #require(merges["attempts"])
        #expect(attempts["before"] as? Double == attempts["after"] as? Double && attempts["after"] is Double)
    }

    /// What has been promised from the beginning.
    private struct Then: Decodable {
        struct Process: Decodable {
            var comm: String
            var vmas: ReportFile.Process.Count
        }
        struct Miss: Decodable { var count: Int }
        var totals: ReportFile.Totals
        var processes: [Process]
        var missed: [Miss]
    }
}
