import Foundation
import Testing

/// Some programs of the survey, as a user runs them: what they are about has to be found again.
@Suite("programs of the survey", .serialized)
struct SurveyTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        /// Who has most VMAs: the program itself, and none of its helpers.
        var leader: String
        /// What the 2022 series would merge, and refuses.
        var recovers = false
        var refuses = false
        var testDescription: String { name }
    }

    static let rows = [
        Row(name: "realloc-vectors", leader: "vectors", recovers: true),
        Row(name: "realloc-vectors-forked", leader: "vectors", recovers: true, refuses: true),
        Row(name: "jemalloc-threads", leader: "arena"),
        Row(name: "redis-bgsave", leader: "redis-server"),
        Row(name: "perl", leader: "perl", recovers: true),
    ]

    @Test("is explained, audited, and led by its program", arguments: rows)
    func program(_ row: Row) throws {
        let folder = try TemporaryFolder()
        let outcome = try Shell.run(
            Repository.root.appendingPathComponent("survey/run"),
            ["--reports", folder.path("reports"), "--results", folder.path("results"), row.name],
            environment: ["VMASCOPE": Repository.vmascope.path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        // Its packages are no part of what the tests need.
        if outcome.errors.contains("passed over") { return }
        let report = try ReportFile(folder.text("reports/\(row.name).json"))
        #expect(report.doubts.isEmpty, "\(outcome.errors)")
        let largest = report.processes.max { $0.vmas.peak < $1.vmas.peak }
        #expect(largest?.comm == row.leader)
        let whatIf = report.totals.what_if
        #expect((whatIf["recoverable"] ?? 0 > 0) == row.recovers)
        #expect((whatIf["shared"] ?? 0 > 0) == row.refuses)
        #expect(whatIf["unknown"] == 0)
        let cells = folder.text("results").split(separator: "\t")
        #expect(cells.first == Substring(row.name) && cells.count == 25)
    }

    @Test("each line names its packages, its seconds and its load, once")
    func lines() throws {
        let outcome = try Shell.run(Repository.root.appendingPathComponent("survey/run"), ["--list"])
        let names = outcome.output.split(separator: "\n").compactMap { $0.split(separator: "\t", maxSplits: 1).first }
        #expect(names.count > 50 && Set(names).count == names.count)
        for row in Self.rows { #expect(names.contains(Substring(row.name))) }
    }
}
