import Foundation
import Testing

/// The command line's promises (docs/usage.md), on the kernel that runs the tests.
@Suite("commands", .serialized)
struct CommandTests {
    struct Wrong: CustomTestStringConvertible, Sendable {
        var arguments: [String]
        var status: Int32
        var names: String
        var testDescription: String { arguments.joined(separator: " ") }
    }

    static let wrong = [
        Wrong(arguments: ["bogus"], status: 64, names: "bogus"),
        Wrong(arguments: ["attach"], status: 64, names: "pid"),
        Wrong(arguments: ["attach", "x"], status: 64, names: "'x'"),
        Wrong(arguments: ["attach", "0"], status: 64, names: "'0'"),
        Wrong(arguments: ["attach", "1", "--duration", "5x"], status: 64, names: "'5x'"),
        Wrong(arguments: ["attach", "1", "--duration", "-5s"], status: 64, names: "--duration"),
        Wrong(arguments: ["attach", "1", "--source", "magic"], status: 64, names: "magic"),
        Wrong(arguments: ["run"], status: 64, names: "no command"),
        Wrong(arguments: ["run", "--format", "yaml", "--", "true"], status: 64, names: "yaml"),
        Wrong(arguments: ["run", "--json", "--format", "text", "--", "true"], status: 64, names: "contradict"),
        Wrong(arguments: ["explain", "nonsense"], status: 64, names: "nonsense"),
        Wrong(arguments: ["attach", "4194304"], status: 66, names: "4194304"),
        Wrong(arguments: ["layout", "4194304"], status: 66, names: "4194304"),
        Wrong(arguments: ["attach", "2"], status: 66, names: "kernel thread"),
        Wrong(arguments: ["layout", "2"], status: 66, names: "kernel thread"),
        Wrong(arguments: ["run", "--", "/nonexistent/program"], status: 66, names: "/nonexistent/program"),
        Wrong(arguments: ["run", "--output", "/nonexistent/report", "--", "true"], status: 74, names: "/nonexistent/report"),
        Wrong(arguments: ["layout", "2", "--output", "/nonexistent/report"], status: 74, names: "/nonexistent/report"),
    ]

    @Test("what is wrong is named in one line on stderr, with its exit status", arguments: wrong)
    func errors(_ wrong: Wrong) throws {
        let outcome = try Vmascope.run(wrong.arguments)
        #expect(outcome.status == wrong.status, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("vmascope: error: ") }
        #expect(errors.count == 1)
        #expect(errors.first?.contains(wrong.names) == true, "\(outcome.errors)")
    }

    @Test("run ends with the command's own status", arguments: [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
    func status(_ script: String, _ status: Int32) throws {
        let outcome = try Vmascope.run(["run", "--json", "--", "sh", "-c", script])
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(try ReportFile(outcome.output).doubts.isEmpty, "\(outcome.errors)")
    }

    @Test("run leaves the command's streams alone")
    func streams() throws {
        let folder = try TemporaryFolder()
        let outcome = try Vmascope.run([
            "run", "--json", "--output", folder.path("report"), "--", "sh", "-c", "echo out; echo err >&2; cat",
        ])
        #expect(outcome.output == "out\n")
        #expect(outcome.errors.contains("err\n"))
        #expect(try ReportFile(folder.text("report")).schema == "vmascope.report.v1")
    }

    @Test("a report that can't be written goes to stdout, with status 74")
    func full() throws {
        let outcome = try Vmascope.run(["run", "--json", "--output", "/dev/full", "--", "true"])
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("/dev/full: No space left on device"))
        #expect(try ReportFile(outcome.output).totals.attempts > 0)
    }

    @Test("every format is written, and piped text has no escape codes", arguments: ["text", "json", "folded"])
    func formats(_ format: String) throws {
        let outcome = try Vmascope.run(["run", "--format", format, "--", "ls", "/"])
        #expect(outcome.status == 0)
        #expect(!outcome.output.isEmpty)
        #expect(!(outcome.output + outcome.errors).contains("\u{1b}"))
    }

    @Test("attach ends with its process, after its time, or on a signal, and reports each time")
    func attach() throws {
        let brief = try Victim("sleep", "0.5")
        #expect(try ReportFile(try Vmascope.run(["attach", brief.pid, "--json"]).output).doubts.isEmpty)

        let long = try Victim("sleep", "600")
        let timed = try ReportFile(try Vmascope.run(["attach", long.pid, "--json", "--duration", "1s"]).output)
        #expect(timed.doubts.isEmpty)
        #expect(timed.processes.map(\.comm) == ["sleep"])

        for signal in [SIGINT, SIGTERM] {
            let observer = try Victim(Repository.vmascope.path, "attach", long.pid, "--json")
            // Its first line on stderr comes when the programs are attached.
            try observer.wait { observer.errors.contains("source:") }
            usleep(300_000)
            kill(observer.process.processIdentifier, signal)
            observer.process.waitUntilExit()
            #expect(observer.process.terminationStatus == 0, "\(observer.errors)")
            let report = try ReportFile(observer.output)
            #expect(report.doubts.isEmpty)
        }
    }

    @Test("attach tells what a process does from then on, starting from what it has")
    func attachToBusy() throws {
        let busy = try Victim(try Victims.busy.get().path("victim"))
        try busy.wait { busy.output.contains("ready") }
        let outcome = try Vmascope.run(["attach", busy.pid, "--json", "--duration", "2s"])
        let report = try ReportFile(outcome.output)
        #expect(report.doubts.isEmpty, "\(outcome.errors)")
        let process = try #require(report.processes.first)
        #expect(process.vmas.start > 6000 && process.vmas.now > 6000)
        #expect(process.attempts > 50)
        #expect((report.totals.missed_by["pgoff"] ?? 0) > 10)
    }

    @Test("layout is /proc/PID/maps, also where it is longer than one reading")
    func layout() throws {
        let victim = try Victim(try Victims.idle.get().path("victim"))
        try victim.wait { victim.output.contains("ready") }
        let outcome = try Vmascope.run(["layout", victim.pid, "--json"])
        let layout = try LayoutFile(outcome.output)
        let maps = try Shell.must("cat", "/proc/\(victim.pid)/maps")
        let lines = maps.split(separator: "\n").filter { !$0.contains("[vsyscall]") }
        #expect(layout.vmas.count > 6000)
        let ours = layout.vmas.map { "\($0.start.dropFirst(2))-\($0.end.dropFirst(2)) \($0.prot)" }
        let kernel = lines.map { line in
            let parts = line.split(separator: " ")
            let ends = parts[0].split(separator: "-").map { $0.drop { $0 == "0" } }
            return "\(ends.joined(separator: "-")) \(parts[1])"
        }
        let differences = Set(ours).symmetricDifference(kernel).sorted()
        #expect(differences == [])
        #expect(ours.count == kernel.count)
        for boundary in layout.boundaries {
            #expect(layout.vmas[boundary.index].end == layout.vmas[boundary.index + 1].start)
        }
        let touching = zip(layout.vmas, layout.vmas.dropFirst()).count { $0.end == $1.start }
        #expect(layout.boundaries.count == touching)
    }

    @Test("without a capability the error names it", arguments: ["CAP_BPF", "CAP_PERFMON"])
    func privilege(_ capability: String) throws {
        let name = capability.dropFirst(4).lowercased()
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/setpriv"),
            ["--bounding-set", "-\(name),-sys_admin", "--inh-caps", "-all", Repository.vmascope.path, "run", "--", "true"])
        #expect(outcome.status == 77, "\(outcome.errors)")
        #expect(outcome.errors.contains(capability))
        #expect(outcome.output.isEmpty)
    }

    @Test("doctor says of each source whether it works, and that is so")
    func doctor() throws {
        let outcome = try Vmascope.run(["doctor", "--json"])
        #expect(outcome.status == 0)
        let doctor = try DoctorFile(outcome.output)
        #expect(doctor.schema == "vmascope.doctor.v1")
        #expect(Set(doctor.sources.keys) == ["hooks", "tracepoints"])
        #expect(doctor.sources["tracepoints"]?.usable == true, "the tests need a kernel with the maple tree's tracepoints")
        for (name, source) in doctor.sources {
            #expect(source.usable == (source.why == nil))
            #expect(!source.attach_points.isEmpty)
            let trial = try Vmascope.run(["run", "--source", name, "--json", "--", "true"])
            #expect(trial.status == (source.usable ? 0 : 69), "\(trial.errors)")
        }
        #expect(try Vmascope.run(["doctor"]).output.contains("vm.max_map_count"))
    }

    @Test("explain knows every blocker that a report can name")
    func explain() throws {
        let all = try Vmascope.run(["explain"]).output
        for slug in [
            "pgoff", "anon_vma", "file_offset", "prot", "flags", "file", "policy", "uffd", "anon_name", "special",
            "close", "nomem",
        ] {
            #expect(all.contains("\n\(slug) "))
            let one = try Vmascope.run(["explain", slug])
            #expect(one.status == 0 && one.output.hasPrefix(slug))
        }
    }

    @Test("the demo shows what it is for")
    func demo() throws {
        let folder = try TemporaryFolder()
        try Demo.compile(folder.path("workload"))
        let outcome = try Vmascope.run(["run", "--json", "--", folder.path("workload")])
        #expect(outcome.status == 0)
        #expect(Demo.complaints(try ReportFile(outcome.output)).isEmpty, "\(outcome.errors)")
    }

    @Test("a loss or a difference would not go unseen: a command full of processes is followed whole")
    func children() throws {
        let outcome = try Vmascope.run([
            "run", "--json", "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do ls / > /dev/null & done; wait",
        ])
        let report = try ReportFile(outcome.output)
        #expect(report.doubts.isEmpty, "\(outcome.errors)")
        #expect(report.processes.count { $0.comm == "ls" } == 8)
        #expect(report.layout_audit.checked >= 17)
    }
}
