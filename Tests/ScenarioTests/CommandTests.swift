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
        Wrong(arguments: ["attach", "no-such-name"], status: 66, names: "'no-such-name'"),
        Wrong(arguments: ["layout", "no-such-name"], status: 66, names: "'no-such-name'"),
        Wrong(arguments: ["attach", "-p", "x"], status: 64, names: "'x'"),
        Wrong(arguments: ["attach", "-p", "1", "2"], status: 64, names: "one process"),
        Wrong(arguments: ["attach", ""], status: 64, names: "empty"),
        Wrong(arguments: ["attach", "1", "-d", "10"], status: 64, names: "10s"),
        Wrong(arguments: ["diff", "-", "-"], status: 64, names: "stdin"),
        Wrong(arguments: ["report", "-"], status: 65, names: "stdin"),
        Wrong(arguments: ["schema", "nonsense"], status: 64, names: "report.v1"),
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

    @Test("a process is found by the name that it alone has; of several each is listed")
    func names() throws {
        let folder = try TemporaryFolder()
        let name = "named-\(UInt16.random(in: 0 ... .max))"
        let first = try Victim.sleeping(as: name, in: folder)
        let attached = try ReportFile(try Vmascope.run(["attach", name, "-d", "1s", "--json"]).output)
        #expect(attached.processes.map { "\($0.pid)" } == [first.pid])
        let layout = try LayoutFile(try Vmascope.run(["layout", name, "--json"]).output)
        let byPid = try LayoutFile(try Vmascope.run(["layout", "-p", first.pid, "--json"]).output)
        #expect(layout.vmas.map(\.start) == byPid.vmas.map(\.start) && "\(layout.pid)" == first.pid)

        let second = try Victim(folder.path(name), "601")
        try second.wait { (try? String(contentsOfFile: "/proc/\(second.pid)/comm", encoding: .utf8)) == "\(name)\n" }
        let both = try Vmascope.run(["attach", name, "-d", "1s"])
        #expect(both.status == 64 && both.output.isEmpty, "\(both.errors)")
        let lines = both.errors.split(separator: "\n")
        #expect(lines.count == 3 && lines[0].contains("2 processes"), "\(both.errors)")
        for (victim, argument) in [(first, "600"), (second, "601")] {
            #expect(lines.contains { $0.contains(" \(victim.pid)  ") && $0.hasSuffix("\(name) \(argument)") }, "\(both.errors)")
        }
    }

    @Test("what --output is called decides about the format, unless --format does")
    func fileNames() throws {
        let folder = try TemporaryFolder()
        func made(_ name: String, _ options: String...) throws -> String {
            let outcome = try Vmascope.run(["run", "-o", folder.path(name)] + options + ["--", "true"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return folder.text(name)
        }
        #expect(try made("a.json").hasPrefix("{\n"))
        #expect(try made("A.HTML").hasPrefix("<!doctype html>"))
        #expect(try made("a.txt").hasPrefix("vmascope "))
        #expect(try made("a").hasPrefix("vmascope "))
        #expect(try made(".json").hasPrefix("vmascope "))
        #expect(try made("b.html", "--format", "json").hasPrefix("{\n"))
        #expect(try made("c.html", "--json").hasPrefix("{\n"))
    }

    @Test("a recording, or a report, may come from stdin")
    func stdin() throws {
        let folder = try TemporaryFolder()
        let script = """
            $VMASCOPE run --record f.vmt --json -o f.json -- true && cat f.vmt | $VMASCOPE report --json - | cmp - f.json \
                && cat f.json | $VMASCOPE diff f.vmt - --json
            """
        let outcome = try shell(script, folder)
        #expect(outcome.status == 0 && outcome.output.contains("vmascope.diff.v1"), "\(outcome.errors)")
        let terminal = try shell("script -qec '$VMASCOPE report -' /dev/null", folder)
        #expect(terminal.status == 64 && terminal.output.contains("stdin is a terminal"), "\(terminal.output)")
    }

    @Test("the name alone says on a terminal what to try, and helps where it is piped")
    func first() throws {
        let folder = try TemporaryFolder()
        let terminal = try shell("script -qec '$VMASCOPE' /dev/null", folder)
        #expect(terminal.status == 0 && terminal.output.contains("vmascope doctor"), "\(terminal.output)")
        #expect(try shell("$VMASCOPE | cat", folder).output.contains("SUBCOMMANDS:"))
        let version = try shell("$VMASCOPE --version", folder).output
        #expect(version.firstMatch(of: #/^\d+\.\d+\.\d+ \(.*build\)\n$/#) != nil, "\(version)")
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

    /// sleep(1), when it has become that.
    private func sleeper() throws -> Victim {
        let victim = try Victim("sleep", "600")
        try victim.wait { (try? String(contentsOfFile: "/proc/\(victim.pid)/comm", encoding: .utf8)) == "sleep\n" }
        return victim
    }

    /// The threads that run tests block all signals, and so would what they start.
    private func unblockSignals() {
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }

    /// Ends with status 124, or 137 if it has to be killed, when it takes too long.
    private func shell(_ script: String, _ folder: TemporaryFolder, seconds: Int = 300) throws -> Outcome {
        unblockSignals()
        return try Shell.run(
            URL(fileURLWithPath: "/usr/bin/timeout"), ["-k", "5", "\(seconds)", "sh", "-c", "cd $FOLDER; \(script)"],
            environment: ["VMASCOPE": Repository.vmascope.path, "FOLDER": folder.url.path])
    }

    @Test("attach ends with its process, after its time, or on a signal, and reports each time")
    func attach() throws {
        let long = try sleeper()
        let timed = try ReportFile(try Vmascope.run(["attach", long.pid, "--json", "--duration", "1s"]).output)
        #expect(timed.doubts.isEmpty)
        #expect(timed.processes.map(\.comm) == ["sleep"])

        for signal in [SIGINT, SIGTERM, SIGKILL] {
            let target = try sleeper()
            let observer = try Victim(Repository.vmascope.path, "attach", target.pid, "--json")
            try observer.wait { observer.errors.contains("observing sleep[\(target.pid)]\n") }
            let ended = signal == SIGKILL ? target : observer
            kill(ended.process.processIdentifier, signal)
            observer.process.waitUntilExit()
            #expect(observer.process.terminationStatus == 0, "\(observer.errors)")
            #expect(try ReportFile(observer.output).doubts.isEmpty)
        }
    }

    @Test("a signal that comes before anything is observed ends in a report, too")
    func earlySignal() throws {
        let target = try sleeper()
        unblockSignals()
        let observer = try Victim(Repository.vmascope.path, "attach", target.pid, "--json")
        try observer.wait { Self.blocks(SIGTERM, observer.pid) }
        kill(observer.process.processIdentifier, SIGTERM)
        observer.process.waitUntilExit()
        #expect(observer.process.terminationStatus == 0, "\(observer.errors)")
        #expect(try ReportFile(observer.output).processes.map(\.comm) == ["sleep"])

        // The command dies, or does not begin.
        let run = try Victim(Repository.vmascope.path, "run", "--json", "--", "sleep", "20")
        try run.wait { Self.blocks(SIGTERM, run.pid) }
        kill(-run.process.processIdentifier, SIGINT)
        run.process.waitUntilExit()
        #expect(run.process.terminationStatus == 130, "\(run.errors)")
        #expect(try ReportFile(run.output).events.lost == 0)
    }

    private static func blocks(_ signal: Int32, _ pid: String) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let mask = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:\t") }.map { $0.dropFirst(8) }
        return mask.flatMap { UInt64($0, radix: 16) }.map { $0 & 1 << UInt64(signal - 1) != 0 } ?? false
    }

    @Test(
        "Ctrl-C reaches run's command, too: its status counts if it ends by that",
        arguments: [("", 130), ("trap 'exit 7' INT;", 7), ("trap '' INT;", 0)])
    func interrupt(_ trap: String, _ status: Int32) throws {
        let folder = try TemporaryFolder()
        let observer = try Victim(
            Repository.vmascope.path, "run", "--json", "--output", folder.path("report"), "--", "sh", "-c",
            "\(trap) echo ready; for i in $(seq 100); do sleep 0.05; done")
        try observer.wait { observer.output.contains("ready") }
        let group = observer.process.processIdentifier
        try #require(getpgid(group) == group)
        kill(-group, SIGINT)
        observer.process.waitUntilExit()
        #expect(observer.process.terminationReason == .exit)
        #expect(observer.process.terminationStatus == status, "\(observer.errors)")
        #expect(try ReportFile(folder.text("report")).doubts.isEmpty)
    }

    @Test("a process that is faster than the observer can't keep it from ending")
    func outrun() throws {
        let folder = try TemporaryFolder()
        let source = """
            #include <sys/mman.h>
            int main(void) {
                for (;;) munmap(mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 4096);
            }
            """
        try source.write(toFile: folder.path("storm.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-o", folder.path("storm"), folder.path("storm.c"))
        let storm = try Victim(folder.path("storm"))
        let outcome = try shell("$VMASCOPE attach \(storm.pid) --json --duration 1s", folder, seconds: 300)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try ReportFile(outcome.output).events.received > 0)
    }

    @Test("run passes arguments on byte for byte")
    func arguments() throws {
        let folder = try TemporaryFolder()
        let script = #"$VMASCOPE run --output report -- printf '%s|' "$(printf 'a\377b')" '' -- | od -An -tx1"#
        #expect(try shell(script, folder).output == " 61 ff 62 7c 7c 2d 2d 7c\n")
    }

    @Test("a pipe gets the report, once; without a reader the wait for one can be ended")
    func pipe() throws {
        let folder = try TemporaryFolder()
        let piped = try shell("mkfifo pipe; cat pipe & $VMASCOPE run --json --output pipe -- true && wait", folder)
        #expect(piped.status == 0, "\(piped.errors)")
        #expect(try ReportFile(piped.output).doubts.isEmpty)
        #expect(try shell("exec $VMASCOPE run --output pipe -- true", folder, seconds: 1).status == 124)
        // One that is full, and that nobody reads.
        let full = "exec 3<>pipe; yes | head -c 65536 >&3; exec $VMASCOPE run --output pipe -- true"
        #expect(try shell(full, folder, seconds: 5).status == 124)
    }

    @Test("a file is replaced by a whole report only, through a link, and nothing else is left")
    func replacement() throws {
        let folder = try TemporaryFolder()
        let failing = "mkdir real; echo old > real/file; ln -s real/file link; $VMASCOPE run --output link -- /nonexistent"
        #expect(try shell(failing, folder).status == 66)
        #expect(folder.text("real/file") == "old\n")
        #expect(try shell("umask 027; $VMASCOPE run --json --output link -- true", folder).status == 0)
        #expect(try ReportFile(folder.text("real/file")).doubts.isEmpty)
        let left = try shell("ls -A . real; readlink link; stat -c %a real/file", folder).output
        #expect(left == ".:\nlink\nreal\n\nreal:\nfile\nreal/file\n640\n")
        #expect(try shell("$VMASCOPE run --output /dev/stdout -- echo first > both", folder).status == 0)
        #expect(folder.text("both").hasPrefix("first\nvmascope "))
    }

    @Test("surroundings in which it can't work are named", arguments: ["run -- true", "attach 1", "layout 1", "system"])
    func surroundings(_ arguments: String) throws {
        let closed = try shell("$VMASCOPE \(arguments) >&-", try TemporaryFolder())
        #expect(closed.status == 74 && closed.errors == "vmascope: error: stdout is closed\n")
        let inside = try shell("unshare -pf --mount-proc $VMASCOPE \(arguments)", try TemporaryFolder())
        #expect(inside.status == 69 && inside.errors.contains("host's pid namespace"))
    }

    @Test("progress is shown with attach, and not on the terminal of run's command")
    func progress() throws {
        let folder = try TemporaryFolder()
        let target = try sleeper()
        let attached = try shell("script -qec '$VMASCOPE attach \(target.pid) --duration 2s --output report' /dev/null", folder)
        #expect(attached.output.contains("merge attempts, "))
        let run = try shell("script -qec '$VMASCOPE run --output report -- sleep 2' /dev/null", folder)
        #expect(run.status == 0 && !run.output.contains("\u{1b}"), "\(run.output)")
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
        #expect(process.attempts > 5)
        #expect((report.totals.missed_by["pgoff"] ?? 0) > 0)
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

    @Test(
        "of a path that is too long, by its bytes or its names, the end is told, and that it is not all",
        arguments: [(3, 250), (90, 2), (40, 2)])
    func longPath(_ count: Int, _ length: Int) throws {
        let folder = try TemporaryFolder()
        let place = folder.path([String](repeating: String(repeating: "d", count: length), count: count).joined(separator: "/"))
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: try Victims.idle.get().path("victim"), toPath: place + "/victim")
        let victim = try Victim(place + "/victim")
        try victim.wait { victim.output.contains("ready") }
        let files = try LayoutFile(try Vmascope.run(["layout", victim.pid, "--json"]).output).vmas.compactMap(\.file)
        let told = try #require(files.first { $0.hasSuffix("/victim") })
        #expect(told.hasPrefix("…/d") == (count != 40), "\(told)")
        #expect(told == place + "/victim" || (place + "/victim").hasSuffix(told.dropFirst()), "\(told)")
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
