import Foundation
import Testing

/// What programs do that mean harm to who observes them: scenarios/hostile.
@Suite("A hostile process is harmless to who observes it", .serialized)
struct HostileTests {
    private static let programs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        let sources = Repository.root.appendingPathComponent("scenarios/hostile")
        for file in try FileManager.default.contentsOfDirectory(atPath: sources.path) where file.hasSuffix(".c") {
            try Shell.must(
                "clang", "-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-Wall", "-Wextra", "-Werror", "-o",
                folder.path(String(file.dropLast(2))), sources.appendingPathComponent(file).path)
        }
        return folder
    }

    /// Runs a command, and writes the most bytes that one of its processes had resident to a file. What is started by the
    /// tests themselves begins with their size, since they share their memory with it until exec.
    private static let measure = """
        import resource, subprocess, sys
        status = subprocess.run(sys.argv[2:]).returncode
        open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10))
        sys.exit(status if status >= 0 else 128 - status)
        """

    /// Observes a hostile program, to its end or for as long as `options` say; not for longer than `limit`
    /// seconds, after which it counts as hanging, status 137.
    ///
    /// Whatever it does, no process of ours may take more memory than the bounds of docs/limits.md add up to, a gigabyte, or
    /// `memory` bytes.
    private static func run(
        _ program: String, _ arguments: [String], in folder: TemporaryFolder, options: [String] = [], limit: Int = 60,
        memory: Int = 1 << 30
    ) throws -> Outcome {
        let all =
            ["-s", "KILL", "\(limit)", Repository.vmascope.path, "run", "--json", "--output", folder.path("report")] + options
            + ["--", try programs.get().path(program)] + arguments
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/python3"), ["-c", measure, folder.path("peak"), "/usr/bin/timeout"] + all)
        let peak = try #require(Int(folder.text("peak")))
        #expect(peak > 0 && peak < memory, "\(peak >> 20) MB")
        return outcome
    }

    /// The frames of all stacks of misses, the report's bytes, and its rows of misses.
    private static func frames(_ folder: TemporaryFolder) throws -> (frames: [String], bytes: Int, rows: Int) {
        let text = folder.text("report")
        let report = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let missed = try #require(report["missed"] as? [[String: Any]])
        return (missed.flatMap { $0["stack"] as? [String] ?? [] }, text.utf8.count, missed.count)
    }

    @Test(
        "files that take for ever to read, or more memory than there is, cost their names and nothing else",
        arguments: ["debuglink", "notes", "dynamic", "sections", "nested", "names"])
    func files(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let observed = try Self.run("elf", [kind, folder.url.path], in: folder)
        #expect(observed.status == 0, "\(observed.errors)")
        let (frames, bytes, _) = try Self.frames(folder)
        #expect(frames.contains { $0.contains("hostile.so") }, "\(frames.prefix(20))")
        // Others' names are there.
        #expect(frames.contains { $0.hasPrefix("mmap (") || $0 == "miss_from" })
        #expect(frames.allSatisfy { $0.utf8.count <= 700 && !$0.utf8.contains(0x1b) })
        #expect(bytes < 2_000_000)
    }

    @Test("names that stand for texts without end are left as they are", arguments: ["c++", "swift", "rust"])
    func names(_ language: String) throws {
        let folder = try TemporaryFolder()
        let observed = try Self.run("demangle", [folder.url.path, language], in: folder)
        #expect(observed.status == 0, "\(observed.errors)")
        let (frames, bytes, _) = try Self.frames(folder)
        #expect(frames.contains { $0.contains("(names.so)") }, "\(frames.prefix(20))")
        #expect(bytes < 2_000_000)
    }

    @Test(
        "a name is of the file that is mapped, or there is none",
        arguments: ["replaced", "overwritten", "reused", "link", "bind", "chroot"])
    func rightFile(_ kind: String) throws {
        let folder = try TemporaryFolder()
        // Its user has to come by.
        try Shell.must("chmod", "755", folder.url.path)
        let observed = try Self.run("secrets", [kind, folder.url.path], in: folder)
        #expect(observed.status == 0, "\(observed.errors)")
        let (frames, _, _) = try Self.frames(folder)
        #expect(!frames.contains { $0.contains("secret") || $0.contains("wrong") }, "\(frames.prefix(40))")
        if kind == "overwritten" {
            #expect(
                frames.contains { $0.hasPrefix("mapped.so+0x") && $0.hasSuffix(" (overwritten since)") }, "\(frames.prefix(40))")
        } else if kind == "reused" {
            #expect(frames.contains { $0.contains("mapped.so") }, "\(frames.prefix(40))")
        } else if ["replaced", "link"].contains(kind) {
            #expect(frames.contains { $0 == "right (mapped.so)" }, "\(frames.prefix(40))")
        } else {
            #expect(frames.contains { $0.hasPrefix("anon+0x") }, "\(frames.prefix(40))")
        }
    }

    @Test("perf maps are bounded each and together", arguments: ["line", "many"])
    func perfMaps(_ kind: String) throws {
        let folder = try TemporaryFolder()
        // 96 MiB of maps.
        let observed = try Self.run("perfmap", [kind], in: folder, memory: 400 << 20)
        #expect(observed.status == 0, "\(observed.errors)")
        // The map is not read again for each address.
        let megabytes = try #require(Int(observed.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(megabytes < 1000)
    }

    @Test("a file system that does not answer holds up nobody, and no signal")
    func fileSystem() throws {
        let folder = try TemporaryFolder()
        let mount = folder.path("mount")
        try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
        defer { _ = try? Shell.run(URL(fileURLWithPath: "/usr/bin/umount"), ["-l", mount]) }
        let observed = try Self.run("fuse", [mount, "6"], in: folder, options: ["--duration", "4s"])
        #expect(observed.status == 0, "\(observed.errors)")
        let (frames, _, _) = try Self.frames(folder)
        #expect(frames.contains { $0.hasPrefix("code+0x") }, "\(frames.prefix(20))")
        #expect(frames.contains { $0 == "miss_from" })
        #expect(observed.errors.contains("took too long"), "\(observed.errors)")
    }

    // MARK: the whole system

    /// `vmascope system` beside a hostile program, which is ended with it. `limit` seconds later it counts as hanging.
    private static func system(
        _ program: String, _ options: String, in folder: TemporaryFolder, limit: Int = 60, without: String? = nil,
        while body: String = ":"
    ) throws -> Outcome {
        let mount = folder.path("mount")
        try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
        defer { _ = try? Shell.run(URL(fileURLWithPath: "/usr/bin/umount"), ["-l", mount]) }
        let script = """
            export VMASCOPE_WITHOUT=$WITHOUT
            timeout -s KILL \(limit) "$VMASCOPE" $DEBUG system --duration 10s --interval 1s --budget 100% --format ndjson \
                > out.ndjson 2> err.txt & observer=$!
            for i in $(seq 300); do [ -s out.ndjson ] && break; sleep 0.1; done
            "$PROGRAM" mount \(options) > said.txt & hostile=$!
            sleep 1; \(body)
            wait $observer; echo "status $?"; kill -KILL $hostile; umount -l mount; cat err.txt out.ndjson
            """
        return try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "bash", "-c", script],
            environment: [
                "VMASCOPE": Repository.vmascope.path, "PROGRAM": programs.get().path(program),
                "WITHOUT": without ?? "", "DEBUG": without == nil ? "" : "--debug-environment",
            ])
    }

    /// A library of functions that call one another, with names of Swift that stand for 2 to the power of `pairs` words.
    private static func library(_ functions: Int, pairs: Int, in folder: TemporaryFolder) throws {
        func name(_ index: Int) -> String {
            let number = String(repeating: "0", count: 4 - "\(index)".count) + "\(index)"
            let letters = (0 ..< pairs).map { String(UnicodeScalar(UInt8(ascii: "c") + UInt8($0))) }
            return "_$s1a5f\(number)yySDySiSiG_" + letters.map { "SDyA\($0)\($0.uppercased())G" }.joined() + "tF"
        }
        var source = "typedef void (*cb)(void);\n"
        for index in 0 ..< functions { source += "void f\(index)(int, cb) __asm__(\"\(name(index))\");\n" }
        for index in 0 ..< functions {
            source += "void f\(index)(int n, cb c) { if (n <= 1) c(); else f\((index + 1) % functions)(n - 1, c); "
            source += "__asm__ volatile(\"\"); }\n"
        }
        source += "void (*const all[])(int, cb) = {" + (0 ..< functions).map { "f\($0)" }.joined(separator: ",") + "};\n"
        try source.write(toFile: folder.path("library.c"), atomically: true, encoding: .utf8)
        try Shell.must(
            "clang", "-O1", "-fno-optimize-sibling-calls", "-shared", "-fPIC", "-o", folder.path("library.so"),
            folder.path("library.c"))
    }

    @Test(
        "nobody takes the names of others' functions away, by names that end the reader, by slow ones, or by what must be read first",
        .enabled(if: geteuid() == 0), arguments: ["ends", "slow", "maps"])
    func readers(_ kind: String) throws {
        let folder = try TemporaryFolder()
        if kind != "maps" { try Self.library(kind == "ends" ? 4 : 400, pairs: kind == "ends" ? 22 : 14, in: folder) }
        try FileManager.default.createDirectory(atPath: folder.path("attacker"), withIntermediateDirectories: false)
        try Shell.must("chmod", "-R", "a+rX", folder.url.path)
        try Shell.must("chown", "65534", folder.path("attacker"))
        let script = """
            timeout -s KILL 90 "$VMASCOPE" system --duration 24s --interval 1s --budget 100% --json > out.json 2> err.txt & observer=$!
            sleep 2; "$PROGRAM" attacker \(kind == "maps" ? "maps" : "names") 20 ../library.so & hostile=$!
            sleep 10; "$PROGRAM" . victim 6
            wait $observer; echo "status $?"; kill -KILL $hostile
            """
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "bash", "-c", script],
            environment: ["VMASCOPE": Repository.vmascope.path, "PROGRAM": Self.programs.get().path("readers")])
        #expect(outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)")
        let report = try #require(try JSONSerialization.jsonObject(with: Data(folder.text("out.json").utf8)) as? [String: Any])
        let rows = try #require(report["refused"] as? [[String: Any]]).filter { $0["op"] as? String == "mremap" }
        let stacks = rows.compactMap { $0["stack"] as? [String] }
        #expect(stacks.contains { $0.contains("leaky") && $0.contains("main") }, "\(rows)\n\(folder.text("err.txt"))")
        if kind == "ends" { #expect(folder.text("err.txt").contains("were not looked for"), "\(folder.text("err.txt"))") }
    }

    @Test("a file system that does not answer does not hold up the whole system's observer")
    func systemFileSystem() throws {
        let folder = try TemporaryFolder()
        try Shell.must("chmod", "755", folder.url.path)
        let outcome = try Self.system("fuse", "120 refused", in: folder)
        #expect(outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)")
        // The calls were seen, and their stacks asked for.
        #expect(outcome.output.contains("fuse") && outcome.output.contains("code+0x"), "\(outcome.output)")
    }

    // Where layouts are read by the kernel's iterator, that waits, too.
    @Test("a process that holds its mmap_lock holds up itself only", arguments: [nil, "bpf_iter_task_vma_new"])
    func lock(_ without: String?) throws {
        let folder = try TemporaryFolder()
        let outcome = try Self.system(
            "locked", "120", in: folder, without: without,
            while: """
                timeout -s KILL 60 "$VMASCOPE" $DEBUG attach there-is-no-such-name 2> attach.txt; echo "attach $?"
                timeout -s KILL 60 "$VMASCOPE" $DEBUG attach --duration 1s --json --output attached $(cat said.txt); echo "locked $?"
                timeout -s KILL 60 "$VMASCOPE" $DEBUG layout $(cat said.txt) > /dev/null; echo "layout $?"
                """)
        #expect(outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("attach 66"), "\(outcome.output)\(outcome.errors)")
        #expect(folder.text("attach.txt").contains("1 process did not let itself be read"), "\(folder.text("attach.txt"))")
        #expect(!outcome.output.contains("locked 137") && !outcome.output.contains("layout 137"), "\(outcome.output)")
        // Its refused calls were seen.
        let last = try #require(folder.text("out.ndjson").split(separator: "\n").last)
        let interval = try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
        let victim = Int(folder.text("said.txt").trimmingCharacters(in: .whitespacesAndNewlines))
        let refused = try #require(interval["refused"] as? [[String: Any]])
        #expect(refused.contains { $0["pid"] as? Int == victim }, "\(refused)")
    }

    @Test("a signal ends what writes to a pipe that nobody reads")
    func unreadPipe() throws {
        let folder = try TemporaryFolder()
        let script = """
            mkfifo pipe; sleep 100 < pipe & reader=$!
            timeout -s KILL 60 "$VMASCOPE" system --interval 0.1s --budget 100% --format ndjson > pipe & observer=$!
            sleep 6; kill -TERM $(cat /proc/$observer/task/$observer/children); wait $observer; echo "status $?"; kill $reader
            """
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "bash", "-c", script],
            environment: ["VMASCOPE": Repository.vmascope.path])
        #expect(outcome.output.contains("status 74"), "\(outcome.output)\(outcome.errors)")
    }

    @Test("a signal ends an observation of the system whose stacks never cease to wait")
    func slowMaps() throws {
        let folder = try TemporaryFolder()
        let script = """
            timeout -s KILL 60 "$VMASCOPE" system --interval 1s --output report > /dev/null & observer=$!
            "$PROGRAM" . 4 16000 100 & hostile=$!
            sleep 12; kill -TERM $(cat /proc/$observer/task/$observer/children); wait $observer; echo "status $?"; kill $hostile
            """
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "bash", "-c", script],
            environment: ["VMASCOPE": Repository.vmascope.path, "PROGRAM": Self.programs.get().path("maps")])
        #expect(outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)")
        #expect(folder.text("report").contains("processes seen"))
    }

    @Test("false stacks without bound are other stacks")
    func stacks() throws {
        let folder = try TemporaryFolder()
        let observed = try Self.run("stacks", ["6"], in: folder, memory: 512 << 20)
        #expect(observed.status == 0, "\(observed.errors)")
        let (_, bytes, rows) = try Self.frames(folder)
        #expect(rows < 5000 && bytes < 12_000_000, "\(rows) rows, \(bytes) bytes")
    }

    @Test("a signal ends an observation whose symbols can't be read")
    func signal() throws {
        let folder = try TemporaryFolder()
        let mount = folder.path("mount")
        try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
        defer { _ = try? Shell.run(URL(fileURLWithPath: "/usr/bin/umount"), ["-l", mount]) }
        let script = """
            "$VMASCOPE" run --json --output report -- "$PROGRAM" mount 60 & observer=$!
            for i in $(seq 100); do grep -q mount/code /proc/*/maps 2> /dev/null && break; sleep 0.1; done
            sleep 4; kill -TERM $observer; wait $observer; echo "status $?"; umount -l mount
            """
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "timeout", "-s", "KILL", "40", "bash", "-c", script],
            environment: ["VMASCOPE": Repository.vmascope.path, "PROGRAM": Self.programs.get().path("fuse")])
        #expect(outcome.status == 0 && outcome.output.contains("status 0"), "\(outcome.output)\(outcome.errors)")
        #expect(try Self.frames(folder).frames.contains { $0.hasPrefix("code+0x") })
    }

    @Test("nobody can do anything to the processes that read and unwind")
    func helpers() throws {
        let folder = try TemporaryFolder()
        try Shell.must("chmod", "755", folder.url.path)
        let observed = try Self.run("helpers", ["2"], in: folder)
        #expect(observed.status == 0, "\(observed.errors)")
        #expect(
            observed.output.contains("helpers were found often, and 0 attacks worked"), "\(observed.output)")
    }

    // MARK: the command line

    /// As `fs.protected_symlinks` forbids for open(2); the setting is put back.
    @Test(
        "no report, recording or dump goes where a stranger's link in a folder like /tmp leads",
        arguments: ["--output LINK", "--record LINK", "dump"])
    func plantedLink(_ way: String) throws {
        let folder = try TemporaryFolder()
        let script = """
            old=$(cat /proc/sys/fs/protected_symlinks); echo 1 > /proc/sys/fs/protected_symlinks
            mkdir public; chmod 1777 public; echo secret > file; chmod 600 file
            ln -s "$PWD/file" public/link; chown -h 12345:12345 public/link
            \(way == "dump" ? "VMASCOPE_DUMP_LAYOUTS=public/link \"$VMASCOPE\" --debug-environment" : "\"$VMASCOPE\"") \
                run --json \(way == "dump" ? "" : way.replacingOccurrences(of: "LINK", with: "public/link")) -- true > report
            echo "status $?"; echo "$old" > /proc/sys/fs/protected_symlinks; stat -c "%a %u" file; cat file; readlink public/link
            """
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "sh", "-c", script],
            environment: ["VMASCOPE": Repository.vmascope.path])
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.dropFirst() == ["600 0", "secret", "\(folder.path("file"))"], "\(outcome.output)\(outcome.errors)")
        #expect(lines.first != "status 0" && outcome.errors.contains("public/link"), "\(outcome.output)\(outcome.errors)")
    }

    @Test("variables for tests do nothing unless it is asked for")
    func variables() throws {
        let folder = try TemporaryFolder()
        let script =
            "VMASCOPE_DUMP_LAYOUTS=dump VMASCOPE_RING=1 VMASCOPE_WITHOUT=ma_write \(Repository.vmascope.path) run --json -- true"
        let ignored = try Shell.run(URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "sh", "-c", script])
        #expect(ignored.status == 0, "\(ignored.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("dump")))
    }

    @Test("an interval of audits has a bound")
    func interval() throws {
        let outcome = try Vmascope.run(
            ["run", "--json", "--", "true"], environment: ["VMASCOPE_AUDIT_INTERVAL": "18446744073709551615"])
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test("a command's arguments are as many as it likes")
    func arguments() throws {
        let script = "exec timeout -s KILL 60 \(Repository.vmascope.path) run --json -- true $(seq 100000)"
        let outcome = try Shell.run(URL(fileURLWithPath: "/bin/sh"), ["-c", script])
        #expect(outcome.status == 0, "\(outcome.errors.prefix(300))")
        let many = try Shell.run(Repository.vmascope, ["attach"] + [String](repeating: "1", count: 3000))
        #expect(many.status == 64)
    }

    @Test("a report that does not end is none")
    func endless() throws {
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/timeout"),
            ["-s", "KILL", "60", Repository.vmascope.path, "diff", "/dev/zero", "/dev/zero"])
        #expect(outcome.status == 65, "\(outcome.errors)")
    }
}
