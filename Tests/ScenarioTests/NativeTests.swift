import Foundation
import Testing

/// Each scenario on the kernel that runs the tests, through the tracepoints.
@Suite("scenarios on this kernel", .serialized)
struct NativeTests {
    @Test("there are scenarios, and each says what is expected of it")
    func files() {
        #expect(Scenario.all.count > 50)
        for scenario in Scenario.all { #expect(scenario.problems.isEmpty, "\(scenario.name)") }
    }

    @Test("is reported as expected, and its layout is /proc/PID/maps", arguments: Scenario.all)
    func scenario(_ scenario: Scenario) throws {
        let path = try Programs.path(scenario)
        let folder = try TemporaryFolder()
        let outcome = try Vmascope.run(
            ["run", "--source", "tracepoints", "--json", "--", path],
            environment: ["VMASCOPE_DUMP_LAYOUTS": folder.path("layouts"), "SCENARIO_MAPS": folder.path("maps")])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try ReportFile(outcome.output)
        #expect(report.doubts.isEmpty, "\(outcome.errors)")
        #expect(report.host.source == "tracepoints")
        let judgement = Judgement(
            scenario: scenario, report: report, comm: Programs.comm(scenario), baseline: try Self.baseline.get(),
            model: folder.text("layouts"), maps: Maps.all(folder.text("maps")))
        #expect(judgement.complaints.isEmpty)
    }

    private static let baseline: Result<Int, any Error> = Result {
        let program = try Programs.folder.get().path(Programs.baseline)
        let outcome = try Vmascope.run(["run", "--source", "tracepoints", "--json", "--", program])
        return try ReportFile(outcome.output).totals.merged
    }
}

enum Vmascope {
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        try Shell.run(Repository.vmascope, arguments, environment: environment)
    }
}

/// What the scenarios append to the file that SCENARIO_MAPS names: `== PID`, and the process's maps.
enum Maps {
    static func all(_ text: String) -> [(pid: Int, text: String)] {
        text.components(separatedBy: "== ").dropFirst().compactMap { part in
            guard let end = part.firstIndex(of: "\n"), let pid = Int(part[..<end]) else { return nil }
            return (pid, String(part[end...]))
        }
    }
}
