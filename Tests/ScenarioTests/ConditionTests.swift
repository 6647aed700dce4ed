import Foundation
import Testing

/// `--fail-on`, and `diff`: what CI relies on.
@Suite("conditions on the command line", .serialized)
struct ConditionTests {
    private static let wrong = [
        CommandTests.Wrong(arguments: ["run", "--weight", "boundaries", "--", "true"], status: 64, names: "--weight"),
        CommandTests.Wrong(arguments: ["run", "--fail-on", "mised>0", "--", "true"], status: 64, names: "'mised'"),
        CommandTests.Wrong(arguments: ["run", "--fail-on", "delta.missed>0", "--", "true"], status: 64, names: "vmascope diff"),
        CommandTests.Wrong(arguments: ["attach", "1", "--fail-on", "missed"], status: 64, names: "'missed'"),
        CommandTests.Wrong(arguments: ["diff", "/dev/null", "/dev/null", "--fail-on", "missed>x"], status: 64, names: "'x'"),
        CommandTests.Wrong(arguments: ["diff", "/dev/null", "/dev/null"], status: 65, names: "/dev/null: it is no JSON"),
        CommandTests.Wrong(arguments: ["diff", "/nonexistent/report", "/dev/null"], status: 66, names: "/nonexistent/report"),
    ]

    @Test("a bad one is named before anything starts, and so is a file that is no report", arguments: wrong)
    func errors(_ wrong: CommandTests.Wrong) throws {
        let outcome = try Vmascope.run(wrong.arguments)
        #expect(outcome.status == wrong.status, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("vmascope: error: ") && outcome.errors.contains(wrong.names), "\(outcome.errors)")
    }

    @Test("--fail-on ends with status 3 after the whole report, if it holds, and else with the command's")
    func failOn() throws {
        let failed = try Vmascope.run(["run", "--json", "--fail-on", "attempts>0 and lost==0", "--", "true"])
        #expect(failed.status == 3, "\(failed.errors)")
        #expect(failed.errors.contains("vmascope: error: --fail-on: attempts is "))
        #expect(try ReportFile(failed.output).totals.attempts > 0)
        #expect(try Vmascope.run(["run", "--fail-on", "attempts==0", "--", "sh", "-c", "exit 7"]).status == 7)
    }

    @Test("diff shows what changed, and fails on that")
    func diff() throws {
        let folder = try TemporaryFolder()
        for (name, command) in [("before", "true"), ("after", "ls")] {
            _ = try Vmascope.run(["run", "--json", "--output", folder.path(name), "--", command])
        }
        let reports = [folder.path("before"), folder.path("after")]
        let same = try Vmascope.run(["diff", reports[0], reports[0], "--fail-on", "delta.attempts!=0"])
        #expect(same.status == 0 && same.output.contains("attempts"), "\(same.errors)")
        let changed = try Vmascope.run(["diff"] + reports + ["--json", "--fail-on", "delta.attempts>0"])
        #expect(changed.status == 3 && changed.output.contains("vmascope.diff.v1"), "\(changed.errors)")
        #expect(changed.errors.contains("delta.attempts is "))
    }
}
