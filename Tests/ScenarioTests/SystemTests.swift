import Foundation
import Testing

@Suite("vmascope system", .serialized)
struct SystemTests {
    private func system(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try Vmascope.run(["system"] + arguments, environment: environment)
    }

    private func idle() throws -> Victim {
        let victim = try Victim(try Victims.idle.get().path("victim"))
        try victim.wait { victim.output.contains("ready") }
        return victim
    }

    private func maps(_ pid: String) throws -> Int {
        try Shell.must("cat", "/proc/\(pid)/maps").split(separator: "\n").count { !$0.contains("[vsyscall]") }
    }

    @Test("counts the VMAs that a process has, and sweeps it", arguments: ["", "bpf_iter__task", "bpf_iter_task_vma_new"])
    func stock(_ without: String) throws {
        let victim = try idle()
        let outcome = try system(
            "--duration", "2s", "--interval", "1s", "--format", "ndjson", "--comm", "victim", "--budget", "50%",
            environment: ["VMASCOPE_WITHOUT": without])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let intervals = try SystemFile.all(outcome.output)
        #expect(intervals.map(\.interval) == [1, 2] && intervals.allSatisfy { $0.schema == "vmascope.system.v1" })
        let process = try #require(intervals.last?.process(victim.pid))
        #expect(process.vmas.now == (try maps(victim.pid)) && process.vmas.limit == intervals[0].limit)
        #expect(process.uid == 0 && process.threads == 1 && process.namespace_pid == process.pid)
        let layout = try LayoutFile(try Vmascope.run(["layout", victim.pid, "--json"]).output)
        let boundaries = try #require(process.boundaries)
        #expect(boundaries.total == layout.boundaries.count)
        #expect(boundaries.blocked_by["prot"] == layout.boundaries.count { $0.blockers == ["prot"] })
    }

    @Test("every process is there, and those that are not listed add up")
    func whole() throws {
        let all = try #require(
            try SystemFile.all(try system("--duration", "1s", "--format", "ndjson", "--top", "100000").output).last)
        #expect(all.total.processes == all.processes.count && all.others.processes == 0)
        #expect(all.processes.contains { $0.pid == Int(getpid()) })
        #expect(all.processes.map(\.vmas.now) == all.processes.map(\.vmas.now).sorted(by: >))
        #expect(Set(all.processes.map(\.pid)).count == all.processes.count)
        let few = try #require(try SystemFile.all(try system("--duration", "1s", "--format", "ndjson", "--top", "2").output).last)
        #expect(few.processes.count == 2 && few.others.processes == few.total.processes - 2)
        #expect(few.processes.reduce(few.others.vmas) { $0 + $1.vmas.now } == few.total.vmas)
    }

    @Test("a process in a pid namespace shows both of its ids; one whose leader has ended is still there")
    func namespaces() throws {
        let inside = try Victim("unshare", "-pf", "--kill-child", "--mount-proc", "sleep", "60")
        try inside.wait { Self.child(of: inside.pid).map(Self.comm) == "sleep" }
        let child = try #require(Self.child(of: inside.pid))
        let headless = try Victim(try Self.headless.get().path("headless"))
        try headless.wait { headless.output.contains("ready") }
        func seen(_ comm: String) throws -> SystemFile? {
            try SystemFile.all(try system("--duration", "1s", "--format", "ndjson", "--comm", comm, "--budget", "50%").output)
                .last
        }
        let found = try #require(try seen("sleep")?.process(child))
        #expect(found.namespace_pid == 1 && found.comm == "sleep")
        let other = try #require(try seen("headless")?.process(headless.pid))
        #expect(other.comm == "headless" && other.vmas.now > 10 && other.boundaries != nil)
    }

    private static func comm(_ pid: String) -> String? {
        (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8))?.trimmingCharacters(in: .newlines)
    }

    private static func child(of pid: String) -> String? {
        (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8))?.split(separator: " ").first.map(
            String.init)
    }

    /// Its first thread ends, the second does not.
    private static let headless = Result {
        let folder = try TemporaryFolder()
        let source = """
            #include <pthread.h>
            #include <stdio.h>
            #include <unistd.h>
            static void *stay(void *_) { sleep(1); puts("ready"); fflush(stdout); pause(); return 0; }
            int main(void) { pthread_t t; pthread_create(&t, 0, stay, 0); pthread_exit(0); }
            """
        try source.write(toFile: folder.path("headless.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-pthread", "-o", folder.path("headless"), folder.path("headless.c"))
        return folder
    }

    @Test("filters let through what they say")
    func filters() throws {
        let victim = try idle()
        let user = try Victim("setpriv", "--reuid", "54321", "--clear-groups", "sleep", "60")
        try user.wait { Self.comm(user.pid) == "sleep" }
        func seen(_ arguments: String...) throws -> [SystemFile.Process] {
            let outcome = try Vmascope.run(["system", "--duration", "1s", "--format", "ndjson", "--top", "100000"] + arguments)
            return try #require(try SystemFile.all(outcome.output).last).processes
        }
        let byUser = try seen("--uid", "54321")
        #expect(byUser.map(\.comm) == ["sleep"] && byUser.map(\.uid) == [54321])
        let byName = try seen("--comm", "vict*")
        #expect(byName.contains { "\($0.pid)" == victim.pid } && byName.allSatisfy { $0.comm.hasPrefix("vict") })
        let cgroup = try #require(byName.first { "\($0.pid)" == victim.pid }?.cgroup)
        #expect(try seen("--cgroup", cgroup).contains { "\($0.pid)" == victim.pid })
        #expect(try seen("--cgroup", "/no/such/cgroup").isEmpty)
    }

    @Test("who comes near the limit is told once, in one line, and counted")
    func warning() throws {
        let victim = try idle()
        let outcome = try system(
            "--duration", "2s", "--interval", "0.5s", "--format", "ndjson", "--comm", "victim", "--warn-at", "5%")
        let lines = outcome.errors.split(separator: "\n").filter { $0.contains("[\(victim.pid)]") }
        #expect(lines.count == 1 && lines[0].hasPrefix("vmascope: warning: victim[\(victim.pid)] has "), "\(outcome.errors)")
        let last = try #require(try SystemFile.all(outcome.output).last)
        // Other tests' victims come and go meanwhile.
        #expect(
            last.process(victim.pid)?.near_limit == true && last.total.near_limit > 0
                && last.total.warnings >= last.total.near_limit)
        // Of other things it may warn, as where other tests use up the budget.
        let quiet = try system("--duration", "1s", "--warn-at", "100%", "--comm", "victim", "--json").errors
        #expect(!quiet.contains("victim["), "\(quiet)")
    }

    @Test("growth has a rate, and a time until ENOMEM")
    func growth() throws {
        let folder = try TemporaryFolder()
        let source = """
            #include <sys/mman.h>
            #include <unistd.h>
            int main(void) {
                char *area = mmap(0, 20000 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                for (int i = 1; i < 20000; i += 2, usleep(20000))
                    mprotect(area + i * 4096, 4096, PROT_READ);
                return 0;
            }
            """
        try source.write(toFile: folder.path("grower.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-O1", "-o", folder.path("grower"), folder.path("grower.c"))
        let grower = try Victim(folder.path("grower"))
        let outcome = try system(
            "--duration", "12s", "--interval", "0.2s", "--format", "ndjson", "--comm", "grower", "--budget", "50%")
        let process = try #require(try SystemFile.all(outcome.output).last?.process(grower.pid))
        let rate = try #require(process.growth_per_minute)
        #expect(rate > 100)
        // Far more than ten times what was seen.
        #expect(process.seconds_to_limit == nil)
    }

    @Test("ends in a report on a signal, which SIGHUP is none of", arguments: [SIGINT, SIGTERM])
    func signals(_ signal: Int32) throws {
        let observer = try Victim(
            Repository.vmascope.path, "system", "--interval", "0.2s", "--json", "--textfile", "/proc/self/cwd/.build")
        let file = Repository.root.appendingPathComponent(".build/vmascope.prom")
        defer { try? FileManager.default.removeItem(at: file) }
        try observer.wait { FileManager.default.fileExists(atPath: file.path) }
        kill(observer.process.processIdentifier, SIGHUP)
        usleep(300_000)
        #expect(observer.process.isRunning)
        kill(observer.process.processIdentifier, signal)
        observer.process.waitUntilExit()
        #expect(observer.process.terminationReason == .exit && observer.process.terminationStatus == 0, "\(observer.errors)")
        let report = try SystemReportFile(observer.output)
        #expect(report.schema == "vmascope.report.v1" && report.processes.count > 1)
    }

    @Test("is plain lines where it is piped, and then the report; other tools read the report, too")
    func piped() throws {
        let folder = try TemporaryFolder()
        let text = try system("--duration", "1s", "--interval", "0.3s", "--top", "3", "--budget", "50%")
        #expect(text.status == 0 && !text.output.contains("\u{1b}"))
        #expect(text.output.components(separatedBy: "Z ").count >= 3 && text.output.contains("\nPROCESSES"))
        #expect(text.output.split(separator: "\n").allSatisfy { $0.count <= 100 })
        #expect(text.output.contains(#/merges      [0-9,]+ sections/#))
        for name in ["before", "after"] {
            #expect(try system("--duration", "1s", "--json", "--output", folder.path(name)).output.isEmpty)
        }
        let diff = try Vmascope.run(["diff", folder.path("before"), folder.path("after")])
        #expect(diff.status == 0 && diff.output.contains("vmas.peak"), "\(diff.errors)\(diff.output)")
    }

    static let misuses: [(String, [String])] = [
        ("--interval", ["--interval", "0s"]), ("--interval", ["--interval", "5"]), ("--top", ["--top", "0"]),
        ("--top", ["--top", "x"]),
        ("--cgroup", ["--cgroup", "nginx"]), ("--uid", ["--uid", "root"]), ("--uid", ["--uid", "-1"]),
        ("--warn-at", ["--warn-at", "80"]),
        ("--warn-at", ["--warn-at", "101%"]), ("--budget", ["--budget", "0%"]), ("--budget", ["--budget", "lots"]),
        ("--sample", ["--sample", "0"]), ("--source", ["--source", "x"]), ("--format", ["--format", "html"]),
        ("--json", ["--json", "--format", "text"]),
        ("--listen", ["--listen", "example.org:80"]), ("--listen", ["--listen", "127.0.0.1"]), ("--comm", ["--comm", ""]),
        ("--duration", ["--duration", "0s"]), ("--record", ["--record", "x.vmt"]),
    ]

    @Test("a value that means nothing is named, before anything starts", arguments: misuses)
    func misuse(_ option: String, _ arguments: [String]) throws {
        let outcome = try Vmascope.run(["system"] + arguments)
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errors.split(separator: "\n").count == 1 && outcome.errors.contains(option), "\(outcome.errors)")
    }

    @Test("what can't be written is found before anything starts")
    func places() throws {
        for arguments in [
            ["--output", "/nonexistent/x"], ["--textfile", "/nonexistent"], ["--format", "ndjson", "--output", "/nonexistent/x"],
        ] {
            let outcome = try Vmascope.run(["system", "--duration", "1s"] + arguments)
            #expect(outcome.status == 74 && outcome.errors.contains("/nonexistent"), "\(outcome.errors)")
        }
    }

    @Test("runs as an ordinary user with no more than two capabilities, and names what is missing without them")
    func privileges() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(at: Repository.vmascope, to: folder.url.appendingPathComponent("vmascope"))
        try Shell.must("chmod", "-R", "a+rX", folder.url.path)
        let victim = try idle()
        func run(_ capabilities: String, _ arguments: String...) throws -> Outcome {
            try Shell.run(
                URL(fileURLWithPath: "/usr/bin/setpriv"),
                [
                    "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all\(capabilities)",
                    "--inh-caps",
                    "-all\(capabilities)", "--ambient-caps", "-all\(capabilities)", folder.path("vmascope"),
                ] + arguments)
        }
        let outcome = try run(
            ",+bpf,+perfmon", "system", "--duration", "2s", "--interval", "1s", "--format", "ndjson", "--comm", "victim",
            "--budget", "50%",
            "--listen", "127.0.0.1:0")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let process = try #require(try SystemFile.all(outcome.output).last?.process(victim.pid))
        #expect(process.vmas.now > 6000 && process.boundaries?.total ?? 0 > 6000 && process.cgroup != nil)
        for (missing, held) in [("CAP_BPF", ",+perfmon"), ("CAP_PERFMON", ",+bpf")] {
            let refused = try run(held, "system", "--duration", "1s")
            #expect(refused.status == 77 && refused.errors.contains(missing), "\(refused.errors)")
            #expect(refused.errors.split(separator: "\n").count == 1 && refused.output.isEmpty)
        }
        let port = try run(",+bpf,+perfmon", "system", "--duration", "1s", "--listen", "127.0.0.1:9")
        #expect(port.status == 77 && port.errors.contains("CAP_NET_BIND_SERVICE"), "\(port.errors)")
    }
}
