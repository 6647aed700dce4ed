import CSystem
import CTestSupport
import Foundation
import TestSupport
import Testing
import VMACore

@testable import VMAProbe

@Suite("What is opened for a process is what it could open itself", .serialized, .enabled(if: geteuid() == 0))
struct RightsTests {
    /// Gives itself all rights of its user, as sudo does before it asks for a password, and waits.
    private static let program = """
        #define _GNU_SOURCE
        #include <grp.h>
        #include <stdio.h>
        #include <unistd.h>
        int main(void) {
            setgroups(0, 0);
            setresgid(geteuid(), geteuid(), geteuid());
            setresuid(geteuid(), geteuid(), geteuid());
            printf("main %lx\\n", (unsigned long)main);
            puts("ready");
            fflush(stdout);
            getchar();
            return 0;
        }
        """

    /// A shop that others can look into, with a debug file that only root can read.
    private static func shop() throws -> Workshop {
        let shop = try Workshop()
        chmod(shop.directory, 0o755)
        _ = try shop.write("secret.debug", "secret")
        chmod(shop.path("secret.debug"), 0o600)
        return shop
    }

    private static func asks(_ request: FileRequest) -> Bool {
        var opener = FileOpener()
        if let fd = opener.open(1, request).fd { close(fd) }
        guard let fd = opener.more(1, .link(Array("secret.debug".utf8)), place: 0) else { return false }
        close(fd)
        return true
    }

    @Test("not with the rights that a set-user-id program has, whatever its ids are now")
    func setUserID() throws {
        let shop = try Self.shop()
        let program = try shop.build("program", "program.c", Self.program)
        let launch = try shop.build(
            "launch", "launch.c",
            "#include <grp.h>\n#include <unistd.h>\nint main(void) { setgroups(0, 0); setgid(12345); setuid(12345); "
                + "execl(\"\(program)\", \"program\", (char *)0); return 1; }")
        // Root's own program may read root's file: that is what the others are compared with.
        let roots = try Running(program)
        #expect(Self.asks(try roots.place("main").file(roots.pid)))
        let users = try Running(launch)
        #expect(!Self.asks(try users.place("main").file(users.pid)))
        chmod(program, 0o4755)
        let gained = try Running(launch)
        #expect(ProcFile.status(gained.pid, "Uid").map { Set($0.split(separator: "\t")) } == ["0"])
        #expect(!Self.asks(try gained.place("main").file(gained.pid)))
    }

    @Test("not with the rights of a program that has not mapped the file, as after an exec")
    func exec() throws {
        let shop = try Self.shop()
        let running = try Running(try shop.build("program", "program.c", Self.program))
        var request = try running.place("main").file(running.pid)
        #expect(Self.asks(request))
        (request.start, request.end) = (request.start + 1 << 30, request.end + 1 << 30)
        #expect(!Self.asks(request))
        request = try running.place("main").file(running.pid)
        request.identity?.inode += 1
        #expect(!Self.asks(request))
        (request.start, request.end) = (0, 0)
        #expect(!Self.asks(request))
    }

    @Test("by the auxiliary vector")
    func vector() throws {
        #expect(FileOpener.gainsRights(try #require(ProcFile.bytes("/proc/self/auxv"))) == false)
        func vector<Word: FixedWidthInteger>(_ words: [Word]) -> [UInt8] {
            words.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
        }
        for (secure, gains) in [(0, false), (1, true)] {
            #expect(FileOpener.gainsRights(vector([6, 4096, 23, UInt64(secure), 0, 0])) == gains)
            #expect(FileOpener.gainsRights(vector([6, 4096, 23, UInt32(secure), 0, 0])) == gains)
        }
        #expect(FileOpener.gainsRights([]) == nil && FileOpener.gainsRights(vector([6, UInt64(4096), 0, 0])) == nil)
        #expect(FileOpener.gainsRights([1, 2, 3]) == nil)
    }

    @Test("for uid 0 without our own capabilities")
    func withoutCapabilities() throws {
        let shop = try Self.shop()
        chown(shop.path("secret.debug"), 12345, 12345)
        let fd = open(shop.path("secret.debug"), O_RDONLY)
        #expect(fd >= 0)
        close(fd)
        #expect(PlaceTests.open(shop.path("secret.debug"), uid: 0, gid: 0) == EACCES)
        #expect(PlaceTests.open(shop.path("secret.debug"), uid: 12345, gid: 0) == 0)
    }

    @Test("no file of the kernel's own, which may do something when it is opened")
    func kernels() {
        for path in ["/proc/self/status", "/sys/kernel/mm/ksm/run", "/sys/kernel/tracing/free_buffer"]
        where access(path, F_OK) == 0 {
            #expect(vms_open_link(path, nil) == -EISDIR, "\(path)")
            let root = vms_open_place("/")
            // /proc/self is a link of the kernel's, which is not followed.
            #expect([-EISDIR, -ELOOP].contains(vms_open_below(root, path, true, nil, nil)), "\(path)")
            close(root)
        }
    }

    // F_SETLEASE, F_GETLEASE, F_WRLCK.
    @Test("no other file than the one that is mapped: whoever has a lease on it does not notice")
    func leases() throws {
        let shop = try Self.shop()
        // There the numbers can only be compared when the file is open.
        let kind = String(decoding: try Child.run(["stat", "-f", "-c", "%T", shop.directory], in: "/").1, as: UTF8.self)
        guard !kind.contains("overlay"), !kind.contains("btrfs") else { return }
        let running = try Running(try shop.build("program", "program.c", Self.program))
        var request = try running.place("main").file(running.pid)
        var opener = FileOpener()
        let right = opener.open(1, request)
        #expect(right.0 == .opened)
        if let fd = right.fd { close(fd) }
        let old = signal(SIGIO, SIG_IGN)
        defer { signal(SIGIO, old) }
        let fd = open(shop.path("secret.debug"), O_RDWR)
        defer { close(fd) }
        try #require(fcntl(fd, 1024, 1) == 0)
        (request.path, request.start, request.end) = (shop.path("secret.debug"), 0, 0)
        request.identity?.inode += 1
        let (result, wrong) = opener.open(2, request)
        #expect(result == .another && wrong == nil)
        #expect(fcntl(fd, 1025, 0) == 1)
    }

    private static var openFiles: Int { ProcFile.entries("/proc/self/fd").count }

    @Test("and no descriptor comes from a helper that nobody asked for", arguments: [1, 2, 5])
    func descriptors(_ count: Int32) throws {
        var ends: [Int32] = [-1, -1]
        try #require(vms_socketpair(&ends) == 0)
        defer { ends.forEach { close($0) } }
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        var byte: UInt8 = 0
        // Other tests open and close files at the same time: what stays open is more than a few.
        let before = Self.openFiles
        for _ in 0 ..< 200 {
            try #require(tests_send_files(ends[0], file, count) == 0)
            #expect(vms_receive(ends[1], &byte, 1, nil, false) == 1)
            try #require(tests_send_files(ends[0], file, count) == 0)
            var fd: Int32 = -1
            #expect(vms_receive(ends[1], &byte, 1, &fd, false) == 1 && fd >= 0)
            close(fd)
        }
        #expect(Self.openFiles < before + 150)
    }

    @Test("and what was fetched is removed as the user who may have written it, through no link")
    func removed() throws {
        let shop = try Self.shop()
        let folder = shop.path("fetched")
        let manager = FileManager.default
        try manager.createDirectory(atPath: folder + "/a/b", withIntermediateDirectories: true)
        _ = try shop.write("fetched/a/b/file", "x")
        try manager.createDirectory(atPath: shop.path("kept"), withIntermediateDirectories: true)
        _ = try shop.write("kept/file", "x")
        symlink(shop.path("kept"), folder + "/a/link")
        // Not even where the user could.
        for path in [folder, folder + "/a", folder + "/a/b", shop.path("kept"), shop.path("kept/file")] {
            chown(path, 12345, 12345)
        }
        vms_remove_tree(folder, 12345, 12345)
        #expect(!manager.fileExists(atPath: folder) && manager.fileExists(atPath: shop.path("kept/file")))
        // A directory whose place is taken by a link.
        symlink(shop.path("kept"), shop.path("gone"))
        vms_remove_tree(shop.path("gone"), 12345, 12345)
        #expect(manager.fileExists(atPath: shop.path("kept/file")))
    }

    @Test("and no more is fetched where what has come is as much as may come in all")
    func fetched() throws {
        let shop = try Self.shop()
        let large = shop.path("large")
        func fetch(_ earlier: Int64, lost: UInt32) -> Int32 {
            let fd = open(large, O_CREAT | O_WRONLY, 0o644)
            ftruncate(fd, off_t(earlier))
            close(fd)
            var output: Int32 = -1
            let environment: [UnsafeMutablePointer<CChar>?] = [nil]
            let words: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sh"), strdup("-c"), strdup("ulimit -f"), nil]
            let paths: [UnsafeMutablePointer<CChar>?] = [strdup(large), nil]
            defer { (words + paths).forEach { free($0) } }
            let pid = vms_spawn_fetch(words, environment, 12345, 12345, paths, lost, &output)
            defer { close(output) }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            var text = [UInt8](repeating: 0, count: 64)
            let got = read(output, &text, text.count)
            // In blocks of 512 bytes.
            return Int32(String(decoding: text.prefix(max(got, 0)).filter { $0 >= 48 && $0 < 58 }, as: UTF8.self)) ?? -1
        }
        #expect(fetch(0, lost: 0) == 2 << 20)
        #expect(fetch(7 << 29, lost: 0) == 1 << 20)
        #expect(fetch(4 << 30, lost: 0) == -1)
        #expect(fetch(0, lost: 4) == -1 && fetch(0, lost: 3) == 2 << 20)
    }
}

@Suite("What is known of where code lies")
struct ProcessMapsTests {
    private func mappings(_ count: UInt64, _ path: String) -> [CodeMapping] {
        (0 ..< count).map {
            CodeMapping(
                start: 0x10000 + $0 * 0x3000, end: 0x12000 + $0 * 0x3000, offset: 0, identity: FileIdentity(device: 1, inode: 7),
                path: path)
        }
    }

    @Test("is found among many mappings, as going through all of them does")
    func found() {
        let maps = ProcessMaps(reads: false)
        let code = mappings(500, "/x")
        maps.note(9, code)
        for address in stride(from: UInt64(0xf000), to: 0x13000 + 500 * 0x3000, by: 0x800) {
            let expected = code.first { $0.start <= address && address < $0.end }
            #expect(maps.code(9, at: address)?.vma.start == expected?.start)
        }
        #expect(maps.code(8, at: 0x10000) == nil)
    }

    @Test("is bounded in all: those read longest ago go first")
    func bounded() {
        let maps = ProcessMaps(reads: false)
        for tgid in 1 ... 60 as ClosedRange<UInt32> { maps.note(tgid, mappings(16_000, "/x")) }
        let known = (1 ... 60 as ClosedRange<UInt32>).filter { maps.code($0, at: 0x10000) != nil }
        #expect(known.count <= 6 && known.last == 60)
    }

    @Test("has no more than some megabytes of paths in an answer")
    func paths() {
        let parts = ProcMessage.parts(1, mappings(16_000, "/" + String(repeating: "x", count: 4000)))
        let bytes = parts.reduce(0) { $0 + $1.bytes.count }
        #expect(bytes < 5 << 20 && bytes > 3 << 20)
        guard case .code(_, _, let hasMore)? = parts.last else { return }
        #expect(!hasMore)
    }
}
