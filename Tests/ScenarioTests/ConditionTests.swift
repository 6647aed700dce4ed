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
        CommandTests.Wrong(arguments: ["diff", "/dev/null", "/dev/null"], status: 65, names: "/dev/null: not JSON"),
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

    @Test("diff takes recordings for the reports that they give")
    func recordings() throws {
        let folder = try TemporaryFolder()
        for (name, command) in [("before", "true"), ("after", "ls")] {
            let files = ["--record", folder.path("\(name).vmt"), "--output", folder.path("\(name).json")]
            _ = try Vmascope.run(["run", "--json"] + files + ["--", command])
        }
        func diff(_ before: String, _ after: String) throws -> Outcome {
            try Vmascope.run(["diff", folder.path(before), folder.path(after), "--json"])
        }
        let expected = try diff("before.json", "after.json")
        #expect(expected.status == 0 && expected.output.contains("vmascope.diff.v1"), "\(expected.errors)")
        for pair in [("before.vmt", "after.vmt"), ("before.json", "after.vmt"), ("before.vmt", "after.json")] {
            let outcome = try diff(pair.0, pair.1)
            #expect(outcome.status == 0 && outcome.output == expected.output, "\(pair): \(outcome.errors)")
        }
    }

    @Test("diff compares what there is of a damaged recording, says so, and ends with 65")
    func damaged() throws {
        let folder = try TemporaryFolder()
        _ = try Vmascope.run(["run", "--json", "--record", folder.path("whole"), "--", "true"])
        let whole = try Data(contentsOf: folder.url.appendingPathComponent("whole"))
        try whole.dropLast(30).write(to: folder.url.appendingPathComponent("cut"))
        try whole.prefix(40).write(to: folder.url.appendingPathComponent("stump"))
        func diff(_ before: String, _ after: String) throws -> Outcome {
            try Vmascope.run(["diff", folder.path(before), folder.path(after), "--fail-on", "attempts>=0"])
        }
        for pair in [("whole", "cut"), ("cut", "whole"), ("cut", "cut")] {
            let outcome = try diff(pair.0, pair.1)
            #expect(outcome.status == 65 && outcome.output.contains("attempts"), "\(pair)")
            let errors = outcome.errors.split(separator: "\n")
            #expect(errors.count == (pair.0 == pair.1 ? 2 : 1), "\(outcome.errors)")
            #expect(errors.allSatisfy { $0.contains("cut is cut off after ") }, "\(outcome.errors)")
        }
        let report = try Vmascope.run(["report", folder.path("cut"), "--fail-on", "attempts>=0"])
        #expect(report.status == 65 && report.output.contains("attempts"), "\(report.errors)")
        #expect(report.errors.contains("cut is cut off after ") && !report.errors.contains("--fail-on"), "\(report.errors)")
        let stump = try diff("whole", "stump")
        #expect(stump.status == 65 && stump.output.isEmpty && stump.errors.contains("stump is cut off"), "\(stump.errors)")
    }
}
