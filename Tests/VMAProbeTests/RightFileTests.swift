import CSystem
import CTestSupport
import Foundation
import TestSupport
import Testing
import VMACore

@testable import VMAProbe

@Suite("A name is of the file that is mapped, as it was then, or there is none", .serialized)
struct RightFileTests {
    private static func library(_ shop: Workshop, _ name: String, _ function: String) throws -> String {
        try shop.build(
            name, "\(function).c", "__attribute__((aligned(4096))) int \(function)(int a) { return a + 1; }", "-shared", "-fPIC",
            "-Wl,--build-id")
    }

    /// A program that has mapped `right` in libshop.so, and where that is, as the kernel's side tells it.
    private static func running(_ shop: Workshop) throws -> (Running, MappedPlace, library: String) {
        let library = try library(shop, "libshop.so", "right_function")
        let main = "#include <stdio.h>\nint right_function(int);\n" + Running.main("right_function")
        let program = try shop.build("program", "main.c", main, library, "-Wl,-rpath,\(shop.directory)")
        let running = try Running(program)
        return (running, try running.place("right_function"), library)
    }

    /// What the kernel's side says of a file when it is mapped.
    private static func content(_ path: String) throws -> FileIdentity.Content {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Trouble(description: path) }
        return FileIdentity.Content(status)
    }

    private static func copy(_ from: String, inPlaceOf to: String, keepsTimes: Bool) throws {
        // A clock tick later, or it could have the same time.
        usleep(20_000)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: from))
        let fd = open(to, O_WRONLY | O_TRUNC)
        defer { close(fd) }
        #expect(bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) } == bytes.count)
        if keepsTimes {
            var times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000_000, tv_nsec: 0)]
            futimens(fd, &times)
        }
    }

    @Test("where it was overwritten in place under a running process", arguments: [false, true])
    func overwritten(_ keepsTimes: Bool) throws {
        let shop = try Workshop()
        var (running, place, library) = try Self.running(shop)
        place.identity?.content = try Self.content(library)
        #expect(Symbolizer().frame(place, pid: running.pid, isCaller: false) == "right_function (libshop.so)")
        try Self.copy(try Self.library(shop, "libwrong.so", "wrong_function"), inPlaceOf: library, keepsTimes: keepsTimes)
        // Asked for for the first time.
        let frame = Symbolizer().frame(place, pid: running.pid, isCaller: false)
        #expect(frame.hasPrefix("libshop.so+0x") && frame.hasSuffix(" (overwritten since)"), "\(frame)")
        _ = running
    }

    @Test("where only the time is known at which it was mapped")
    func overwrittenLater() throws {
        let shop = try Workshop()
        let (running, place, library) = try Self.running(shop)
        #expect(place.identity?.content == nil)
        #expect(Symbolizer().frame(place, pid: running.pid, isCaller: false) == "right_function (libshop.so)")
        try Self.copy(try Self.library(shop, "libwrong.so", "wrong_function"), inPlaceOf: library, keepsTimes: false)
        #expect(Symbolizer().frame(place, pid: running.pid, isCaller: false).hasSuffix(" (overwritten since)"))
        _ = running
    }

    @Test("where it is written to while it is read, which whoever reads it notices")
    func writtenWhileRead() throws {
        let shop = try Workshop()
        let library = try Self.library(shop, "libshop.so", "right_function")
        let content = try Self.content(library)
        let engine = SymbolEngine { _, _, _ in nil }
        let unwinder = UnwindEngine()
        engine.add(1, .mapped, try #require(RegularFile.open(library)), content)
        unwinder.add(1, try #require(RegularFile.open(library)), content)
        let place = [NameRequest(address: 0x1000, isCaller: false)]
        #expect(engine.names(1, place, .names) != nil)
        var request = UnwindRequest(registers: .init(repeating: 0x10_0000))
        request.mappings = [.init(start: 0x10_0000, end: 0x10_2000, fileOffset: 0x1000, key: 1)]
        #expect(unwinder.unwind(request).lacking.isEmpty)
        try Self.copy(try Self.library(shop, "libwrong.so", "wrong_function"), inPlaceOf: library, keepsTimes: true)
        #expect(unwinder.unwind(request).lacking == [1])
        #expect(engine.names(1, place, .names) == nil)
        engine.add(2, .mapped, try #require(RegularFile.open(library)), content)
        #expect(engine.names(2, place, .names) == nil)
    }

    @Test("where another file has got its inode's number")
    func reusedInode() throws {
        let shop = try Workshop()
        var (running, place, library) = try Self.running(shop)
        place.identity?.content = try Self.content(library)
        let wrong = try Self.library(shop, "libwrong.so", "wrong_function")
        // The process has unmapped it, and whoever came next has its path and number.
        running.stop()
        usleep(20_000)
        var status = stat()
        #expect(rename(wrong, library) == 0 && stat(library, &status) == 0)
        place.identity?.inode = UInt64(status.st_ino)
        let frame = Symbolizer().frame(place, pid: running.pid, isCaller: false)
        #expect(!frame.contains("wrong_function"), "\(frame)")
        // Also where nothing else would tell: a living process has another file of this number at that path.
        let other = try Running(try shop.build("other", "other.c", "#include <stdio.h>\n" + Running.main("main")))
        let named = Symbolizer().frame(place, pid: other.pid, isCaller: false)
        #expect(!named.contains("wrong_function"), "\(named)")
    }

    @Test("not where the id of the process is another's by now: its folder in /proc is held", .enabled(if: geteuid() == 0))
    func reusedProcess() throws {
        let first = tests_fork_as(0)
        try #require(first > 0)
        func end(_ pid: pid_t) {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        let found = FileOpener.withFolder(first) { folder -> (before: Substring?, after: Substring?, second: pid_t) in
            let before = ProcFile.status(folder, "Pid")
            end(first)
            // Another process gets its id (clone3 with set_tid).
            let second = tests_fork_as(first)
            return (before, ProcFile.status(folder, "Pid"), second)
        }
        let (before, after, second) = try #require(found)
        try #require(second == first, "no other process could get the id \(first)")
        defer { end(second) }
        #expect(before == "\(first)" && after == nil)
        #expect(FileOpener.withFolder(second) { ProcFile.status($0, "Pid") } == "\(second)")
    }
}

@Suite("A perf map is of the process that wrote it", .serialized)
struct PerfMapOwnerTests {
    @Test("not of who has got its id since", .enabled(if: geteuid() == 0))
    func reused() throws {
        let first = tests_fork_as(0)
        try #require(first > 0)
        // A clock tick, in which a process's start is told, is ten milliseconds.
        usleep(20_000)
        let map = "/tmp/perf-\(first).map"
        try "1000 10 made\n".write(toFile: map, atomically: false, encoding: .utf8)
        defer { unlink(map) }
        var opener = FileOpener()
        func opens(_ fd: Int32?) -> Bool { fd.map { close($0) == 0 } ?? false }
        let request = FileRequest(kind: .perfMap, pid: first, path: "")
        #expect(opens(opener.open(1, request).fd) && opens(opener.more(1, .again, place: 0)))
        kill(first, SIGKILL)
        waitpid(first, nil, 0)
        #expect(!opens(opener.more(1, .again, place: 0)))
        let second = tests_fork_as(first)
        try #require(second == first, "no other process could get the id \(first)")
        defer {
            kill(second, SIGKILL)
            waitpid(second, nil, 0)
        }
        #expect(!opens(opener.more(1, .again, place: 0)))
        #expect(opens(opener.open(2, request).fd))
    }

    @Test("and asked for anew after exec, and of another process with its id")
    func spaces() {
        let place = MappedPlace(path: nil, fileOffset: 0, address: 0x1000, mappingStart: 0x1000)
        #expect(place.file(7, in: 1) == place.file(7, in: 1) && place.file(7, in: 1) != place.file(7, in: 2))
        // Files are shared by all that have mapped them.
        let file = MappedPlace(path: "/lib/x.so", fileOffset: 0, address: 0x1000, mappingStart: 0x1000)
        #expect(file.file(7, in: 1) == file.file(7, in: 2))
    }
}

@Suite("Helpers are started anew")
struct RestartTests {
    @Test("some times at once, and once in a while then")
    func restarts() {
        var budget = RestartBudget()
        var now: UInt64 = 5_000_000_000
        func takes() -> Bool { budget.take(now, ended: 0) }
        for _ in 0 ..< SymbolLimits.restarts { #expect(takes()) }
        #expect(!takes())
        now += SymbolLimits.restartPause - 1
        #expect(!takes())
        now += 1
        #expect(takes())
        #expect(!takes())
        // After a long time all are there again, and no more than these.
        now += 1000 * SymbolLimits.restartPause
        for _ in 0 ..< SymbolLimits.restarts { #expect(takes()) }
        #expect(!takes())
    }

    @Test("also after any number that processes have delayed, which have ended")
    func delayed() {
        var budget = RestartBudget()
        for _ in 0 ..< 10 * SymbolLimits.restarts {
            let takes = budget.take(1, ended: 0)
            #expect(takes)
            budget.giveBack()
        }
    }

    @Test("but no user's processes may delay the reader of /proc again and again")
    func users() {
        var delays = UserDelays()
        var now: UInt64 = 1
        for _ in 0 ..< UserDelays.most {
            #expect(!delays.areTooMany(7, now))
            delays.note(7, now)
        }
        #expect(delays.areTooMany(7, now) && !delays.areTooMany(8, now) && !delays.areTooMany(nil, now))
        now += UserDelays.pause
        #expect(!delays.areTooMany(7, now))
        delays.note(7, now)
        #expect(delays.areTooMany(7, now))
        now += UserDelays.memory
        delays.note(7, now)
        #expect(!delays.areTooMany(7, now))
        // A user has many ids in namespaces of its own.
        for _ in 0 ..< UserDelays.most { delays.note(200_000, now) }
        #expect(delays.areTooMany(200_000, now) && !delays.areTooMany(300_000, now))
    }

    @Test("and processes are asked for their arguments user by user")
    func turns() {
        #expect(NamedProcess.turns([5, 5, 5, 0, 0, 1]) == [3, 5, 0, 4, 1, 2])
        #expect(NamedProcess.turns([200_000, 300_000, 1, 200_000]) == [2, 0, 1, 3])
        #expect(NamedProcess.turns([]).isEmpty)
    }

    /// Ids from 100,000 on are a directory service's as well as a namespace's: the kernel knows which.
    @Test("and who is in a user namespace stands for the user who made it", .enabled(if: geteuid() == 0))
    func shares() throws {
        func share(_ command: [String]) throws -> UInt32? {
            let child = try Child(command + ["sh", "-c", "echo; exec sleep 100"])
            defer {
                kill(child.processIdentifier, SIGKILL)
                child.waitUntilExit()
            }
            for _ in 0 ..< 1000
            where (try? String(contentsOfFile: "/proc/\(child.processIdentifier)/comm", encoding: .utf8)) != "sleep\n" {
                usleep(10_000)
            }
            return Target.share(child.processIdentifier)
        }
        let user = ["setpriv", "--reuid=200001", "--regid=200001", "--clear-groups"]
        let namespace = ["unshare", "--user", "--map-root-user"]
        #expect(try share(user) == 200_001)
        #expect(try share(user + namespace) == 200_001)
        #expect(try share(user + namespace + namespace) == 200_001)
        #expect(UserShares.isNamespace(try #require(try share(namespace))))
        #expect(UserShares.user(300_000, .user(200_001)) == 200_001 && UserShares.user(1001, .unknown) == 1001)
    }

    @Test("also the reader of /proc, however many processes have delayed it")
    func delayedReader() throws {
        var (started, end) = (0, Int32(-1))
        let reader = ProcReader {
            var ends: [Int32] = [-1, -1]
            let child = tests_fork_as(0)
            guard child > 0, vms_socketpair(&ends) == 0 else { return nil }
            if end >= 0 { close(end) }
            (started, end) = (started + 1, ends[1])
            return (child, ends[0])
        }
        defer { close(end) }
        for round in 1 ... 2 * SymbolLimits.restarts {
            // Each is another user's.
            reader.delays = UserDelays()
            try #require(reader.ask(.code, UInt32(5_000_000 + round)), "round \(round)")
            var bytes = [UInt8](repeating: 0, count: 64)
            let got = vms_receive(end, &bytes, bytes.count, nil, true)
            guard got > 0, case .ask(let id, _, _)? = ProcMessage(Array(bytes[..<got])) else { continue }
            bytes = ProcMessage.began(id: id).bytes
            #expect(vms_send(end, bytes, bytes.count, -1, true) == 0)
            _ = reader.advance(vms_monotonic_ns())
            // One that is still running has ten times as long.
            _ = reader.advance(vms_monotonic_ns() + 20 * SymbolLimits.procTime)
            #expect(reader.isIdle && started == round)
            usleep(1000)
        }
    }

    @Test("and a file is asked for in the name of each process once, whatever others have led to")
    func askers() {
        var askers = FileAskers()
        askers.note(1, 1)
        #expect(!askers.allows(1, 1) && askers.allows(2, 1))
        for pid in 2 ... 100 as ClosedRange<Int32> { askers.note(pid, 1) }
        #expect(askers.allows(101, 1) && !askers.allows(50, FileAskers.pause + 1))
        for pid in 101 ... 1000 as ClosedRange<Int32> { askers.note(pid, 1) }
        #expect(!askers.allows(2000, FileAskers.pause))
        // Nobody takes a file from others for good.
        let later = FileAskers.pause + 1
        #expect(askers.allows(2000, later) && askers.allows(1, later))
        askers.note(2000, later)
        #expect(!askers.allows(2000, later) && askers.allows(1, later))
    }

    @Test("and what a process did is not for ever held against who has its id next")
    func offences() {
        var offences = Offences()
        for _ in 0 ..< SymbolLimits.offences {
            #expect(!offences.areTooMany(7, 1))
            offences.note(7, 1)
        }
        #expect(offences.areTooMany(7, Offences.memory) && !offences.areTooMany(8, 1))
        #expect(!offences.areTooMany(7, Offences.memory + 1))
        offences.note(7, Offences.memory + 1)
        #expect(!offences.areTooMany(7, Offences.memory + 1))
    }

    @Test("not while many that were killed have not ended")
    func unended() {
        var budget = RestartBudget()
        func takes(_ ended: Int) -> Bool { budget.take(1, ended: ended) }
        #expect(!takes(SymbolLimits.unended))
        #expect(takes(SymbolLimits.unended - 1))
    }

    @Test("a process is not blamed for a reader of /proc that has not begun")
    func slowStart() throws {
        let lock = SymbolLimits.lockTime
        #expect(ProcReader.limit(lock, hasBegun: true, isRunning: false) == lock)
        #expect(ProcReader.limit(lock, hasBegun: true, isRunning: true) == 10 * lock)
        #expect(ProcReader.limit(lock, hasBegun: false, isRunning: false) >= 10_000_000_000)
        // One that is asked for a long time after it was asked: the helper, which has only just been started, says nothing.
        let (reader, now) = (ProcReader(), vms_monotonic_ns())
        guard reader.ask(.arguments, UInt32(getpid()), within: lock) else { return }
        if case .done(nil) = reader.advance(now + 2 * lock) { Issue.record("it is given up before it could begin") }
        guard !reader.isIdle else { return }
        guard case .done = reader.advance(now + 2 * SymbolLimits.procStart) else {
            Issue.record("it is waited for without end")
            return
        }
        #expect(reader.isIdle)
    }

    @Test("maps are told in parts, and nonsense is not believed")
    func procMessages() {
        let mappings = (0 ..< 3000 as Range<UInt64>).map {
            CodeMapping(
                start: $0 << 12, end: ($0 + 1) << 12, offset: $0, identity: FileIdentity(device: 1 << 32, inode: $0),
                path: String(repeating: "x", count: Int($0 % 90)))
        }
        let parts = ProcMessage.parts(7, mappings)
        var read: [CodeMapping] = []
        for (index, part) in parts.enumerated() {
            let bytes = part.bytes
            #expect(bytes.count <= ProcMessage.limit)
            guard case .code(7, let some, let hasMore)? = ProcMessage(bytes) else {
                Issue.record("part \(index)")
                return
            }
            #expect(hasMore == (index + 1 < parts.count))
            read += some
            #expect(ProcMessage(Array(bytes.dropLast())) == nil && ProcMessage(bytes + [0]) == nil)
        }
        #expect(read == mappings && parts.count == 3)
        for message in [
            ProcMessage.ask(id: 1, .arguments, pid: 2), .count(id: 3, nil), .count(id: 4, 5), .arguments(id: 6, [1, 2, 3]),
            .began(id: 7),
        ] {
            #expect(ProcMessage(message.bytes) == message)
        }
        let maps = """
            1000-2000 r--p 00000000 08:01 5 /x y
            2000-4000 r-xp 00001000 08:01 5                          /x y (deleted)
            5000-6000 rwxp 00000000 00:00 0 
            6000-5000 r-xp 00000000 00:00 0 /none
            z
            """
        let code = CodeMapping.all(Array(maps.utf8))
        #expect(code.map(\.start) == [0x2000, 0x5000] && code.map(\.path) == ["/x y (deleted)", ""])
    }
}
