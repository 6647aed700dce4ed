import Foundation
import Testing

/// --record and `vmascope report`, on the kernel that runs the tests.
@Suite("recordings", .serialized)
struct RecordingTests {
    private static let workload: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try Demo.compile(folder.path("workload"))
        return folder
    }

    /// Runs a script in `folder`, where the report of a recording can be made as R.
    private func shell(_ script: String, _ folder: TemporaryFolder) throws -> Outcome {
        try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["sh", "-c", "cd $FOLDER; \(script)"],
            environment: [
                "V": Repository.vmascope.path, "FOLDER": folder.url.path, "WORKLOAD": try Self.workload.get().path("workload"),
            ])
    }

    @Test("give the report that the observation gave, byte for byte", arguments: ["text", "json", "folded", "html"])
    func replay(_ format: String) throws {
        let folder = try TemporaryFolder()
        let live = try shell("$V run --format \(format) --record r.vmt -- $WORKLOAD > live", folder)
        #expect(live.status == 0, "\(live.errors)")
        let report = try shell("$V report r.vmt --format \(format)", folder)
        #expect(report.status == 0 && report.errors.isEmpty, "\(report.errors)")
        #expect(!report.output.isEmpty)
        #expect(report.output == folder.text("live"))
    }

    @Test("give it of threads that change all they can, and of processes that come and go")
    func load() throws {
        let folder = try TemporaryFolder()
        try Shell.must(
            "clang", "-O1", "-pthread", "-fno-omit-frame-pointer", "-o", folder.path("random"),
            Repository.root.appendingPathComponent("scenarios/load/random.c").path)
        let many = "for i in $(seq 60); do /bin/true; done"
        for command in ["./random 7 2000 4", "sh -c '\(many)'"] {
            let live = try shell("$V run --json --record r.vmt --output live -- \(command)", folder)
            #expect(live.status == 0, "\(live.errors)")
            let report = try shell("$V report r.vmt --json", folder)
            #expect(report.status == 0)
            #expect(report.output == folder.text("live"), "\(command)")
            #expect(try ReportFile(report.output).events.received > 1000)
        }
    }

    @Test("can be read by anyone, anywhere")
    func unprivileged() throws {
        let folder = try TemporaryFolder()
        #expect(try shell("$V run --json --record r.vmt --output live -- $WORKLOAD", folder).status == 0)
        // A recording is its owner's alone until the owner gives it away.
        try Shell.must("chmod", "644", folder.path("r.vmt"))
        let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all"
        let report = try shell("\(nobody) $V report r.vmt --json", folder)
        #expect(report.status == 0, "\(report.errors)")
        #expect(report.output == folder.text("live"))
    }

    @Test("of a vmascope that was killed have what came up to then")
    func killed() throws {
        let folder = try TemporaryFolder()
        let busy = try Victim(try Victims.busy.get().path("victim"))
        try busy.wait { busy.output.contains("ready") }
        let observer = try Victim(Repository.vmascope.path, "attach", busy.pid, "--record", folder.path("r.vmt"))
        // The snapshot comes first, and the first second of events after that.
        var blocks = Set<Int>()
        try observer.wait {
            blocks.insert((try? Data(contentsOf: folder.url.appendingPathComponent("r.vmt")).count) ?? 0)
            return blocks.count > 4
        }
        kill(observer.process.processIdentifier, SIGKILL)
        observer.process.waitUntilExit()
        let report = try shell("$V report r.vmt --json", folder)
        #expect(report.status == 65)
        #expect(report.errors.hasPrefix("vmascope: error: r.vmt is cut off after "), "\(report.errors)")
        let file = try ReportFile(report.output)
        #expect(file.events.lost == 0 && file.totals.attempts > 10)
        #expect(file.processes.first.map { $0.vmas.now > 6000 } == true)
    }

    @Test("on a disk that is full end there; the observation goes on, and ends with 74")
    func full() throws {
        let folder = try TemporaryFolder()
        let device = try shell("$V run --json --record /dev/full --fail-on 'attempts>0' -- sh -c 'exit 5'", folder)
        #expect(device.status == 74)
        #expect(device.errors.contains("recording /dev/full: No space left on device"), "\(device.errors)")
        #expect(try ReportFile(device.output).totals.attempts > 0)

        // Room for several rounds of draining, of 20,000 records at the most each (their attempts only count
        // when the next has shown that nothing was lost), and not for all.
        let small = """
            mkdir small && mount -t tmpfs -o size=1200k none small || exit 1
            $V run --json --record small/r.vmt --output live -- ./random -p 1000:120 1 30000 4; echo "status $?"
            cp small/r.vmt .; umount small; $V report r.vmt --json --output replay; echo "status $?"
            """
        try Shell.must(
            "clang", "-O1", "-pthread", "-o", folder.path("random"),
            Repository.root.appendingPathComponent("scenarios/load/random.c").path)
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/unshare"), ["-m", "sh", "-c", "cd $FOLDER; \(small)"],
            environment: ["V": Repository.vmascope.path, "FOLDER": folder.url.path])
        #expect(outcome.output.contains("status 74\nstatus 65\n"), "\(outcome.output)\(outcome.errors)")
        let live = try ReportFile(folder.text("live"))
        let replay = try ReportFile(folder.text("replay"))
        #expect(live.doubts.isEmpty)
        #expect(replay.totals.attempts > 0 && replay.totals.attempts < live.totals.attempts)
        // Nothing but whole blocks: it is cut off where it ends.
        let size = try Data(contentsOf: folder.url.appendingPathComponent("r.vmt")).count
        #expect(outcome.errors.contains("r.vmt is cut off after \(size) bytes"), "\(outcome.errors)")
    }

    @Test("go to a file of their own, which is kept until there is something to record")
    func file() throws {
        let folder = try TemporaryFolder()
        for (arguments, status) in [
            ("--record /nonexistent/r", 74), ("--record r --output ./r", 64), ("--record ./old --output link", 64),
            ("--record both > both", 64), ("--record pipe", 64), ("--record old --source magic", 64),
        ] {
            let script = "echo old > old; ln -sf old link; [ -p pipe ] || mkfifo pipe; $V run \(arguments) -- touch begun"
            let outcome = try shell("(\(script)); s=$?; ls begun 2>&-; cat old; exit $s", folder)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            #expect(outcome.output == "old\n", "\(arguments)")
        }
        #expect(try shell("$V run --record old -- true > live; $V report old | cmp - live", folder).status == 0)
    }

    @Test(
        "that are none, or damaged, are named in one line",
        arguments: [
            ("rm -f r", 66, "No such file"), (": > r", 65, "r is empty"), ("echo text > r", 65, "r is not a recording"),
            ("head -c 40 whole > r", 65, "r is cut off"), ("mkdir -p folder; ln -sf folder r", 66, "Is a directory"),
            (#"(head -c 8 whole; printf '\7\0\0\0'; tail -c +13 whole) > r"#, 65, "version 7"),
            (#"(head -c 300 whole; printf '\0\0\0\0'; tail -c +305 whole) > r"#, 65, "r is damaged at byte "),
        ])
    func damage(_ making: String, _ status: Int32, _ words: String) throws {
        let folder = try TemporaryFolder()
        #expect(try shell("$V run --record whole --output live -- true", folder).status == 0)
        let outcome = try shell("\(making); $V report r --json", folder)
        #expect(outcome.status == status)
        #expect(outcome.errors.hasPrefix("vmascope: error: ") && outcome.errors.contains(words), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }
}
