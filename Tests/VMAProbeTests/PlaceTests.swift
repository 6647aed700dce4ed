import CSystem
import CTestSupport
import Foundation
import TestSupport
import Testing

@testable import VMAProbe

@Suite("A path is walked as the kernel walks it", .serialized)
struct PlaceTests {
    /// Opens a file with these rights, from the root of all. Returns 0, or the error's number.
    static func open(_ path: String, uid: UInt32, gid: UInt32, _ groups: [UInt32] = []) -> Int32 {
        let root = vms_open_place("/")
        defer { close(root) }
        let fd = groups.withUnsafeBufferPointer { groups in
            var rights = vms_rights(uid: uid, gid: gid, groups: groups.baseAddress, count: groups.count)
            return vms_open_below(root, path, true, nil, &rights)
        }
        if fd >= 0 { close(fd) }
        return min(fd, 0) * -1
    }

    private static func identity(_ fd: Int32) -> [UInt64]? {
        var status = stat()
        guard fd >= 0, fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }

    @Test("below a root that no link and no .. leaves, by openat2(2) as the oracle")
    func below() throws {
        let shop = try Workshop()
        for folder in ["root/a/b", "root/b/a", "out/a"] {
            try FileManager.default.createDirectory(atPath: shop.path(folder), withIntermediateDirectories: true)
        }
        for file in ["root/f", "root/a/f", "root/a/b/f", "root/b/f", "root/b/a/f", "f", "out/f", "out/a/f"] {
            _ = try shop.write(file, file)
        }
        let links = [
            ("l", "a/b"), ("a/l", "/b"), ("b/l", "../../../a"), ("a/b/l", "l"), ("b/a/l", "../.././a//b/.."), ("o", "../out"),
            ("m", "/../out/f"), ("b/m", "l/l/f"), ("a/m", "f/"), ("n", "\(shop.path("out"))"), ("p", "."),
        ]
        for (name, target) in links { symlink(target, shop.path("root/" + name)) }
        let root = vms_open_place(shop.path("root"))
        defer { close(root) }
        var random = SplitMix64(state: 7)
        var found = 0
        for round in 0 ..< 6000 {
            let names = ["a", "b", "l", "m", "n", "o", "p", "f", "..", ".", "", "f", "f"]
            let path = (0 ... random.next() % 7).map { _ in names[Int(random.next() % UInt64(names.count))] }
                .joined(separator: "/")
            let follows = round % 4 > 0
            let place = tests_place_in_root(root, path, follows)
            let fd = vms_open_below(root, path, follows, nil, nil)
            defer { for fd in [place, fd] where fd >= 0 { close(fd) } }
            #expect(Self.identity(fd) == Self.identity(place), "\(path), links: \(follows)")
            if fd >= 0 { found += 1 }
        }
        #expect(found > 300)
    }

    @Test("within bounds, and not through what is the kernel's")
    func bounds() throws {
        let shop = try Workshop()
        let file = try shop.write("f", "f")
        let root = vms_open_place("/")
        defer { close(root) }
        func opens(_ path: String) -> Int32 {
            let fd = vms_open_below(root, path, true, nil, nil)
            if fd >= 0 { close(fd) }
            return min(fd, 0)
        }
        #expect(opens(file) == 0)
        let kept = Glibc.open(file, O_RDONLY)
        defer { close(kept) }
        for link in ["/proc/self/fd/\(kept)", "/proc/self/root\(file)", "/proc/\(getpid())/root\(file)"] {
            #expect(opens(link) == -ELOOP, "\(link)")
        }
        symlink("x", shop.path("x"))
        symlink(String(repeating: "y/", count: 2000), shop.path("y"))
        #expect(opens(shop.path("x")) == -ELOOP)
        #expect(opens(shop.path("y/y")) == -ENAMETOOLONG)
        #expect(opens("/" + String(repeating: "z", count: 256)) == -ENAMETOOLONG)
        #expect(opens(String(repeating: "z/", count: 2100)) == -ENAMETOOLONG)
        #expect(opens(String(repeating: "tmp/../", count: 500) + String(file.dropFirst())) == 0)
        for path in ["", "/", "/tmp", "/..", "/tmp/..", file + "/f", "/dev/null"] { #expect(opens(path) < 0, "\(path)") }
    }

    @Test("with the rights of a user and of groups, by a process of theirs as the oracle", .enabled(if: geteuid() == 0))
    func rights() throws {
        let shop = try Workshop()
        chmod(shop.directory, 0o755)
        try FileManager.default.createDirectory(atPath: shop.path("a/b"), withIntermediateDirectories: true)
        let file = try shop.write("a/b/f", "f")
        var random = SplitMix64(state: 11)
        func draw(_ values: UInt32...) -> UInt32 { values[Int(random.next() % UInt64(values.count))] }
        var found = 0
        for _ in 0 ..< 400 {
            for path in ["a", "a/b", "a/b/f"] {
                chown(shop.path(path), draw(0, 501, 502), draw(0, 601, 602, 603))
                // Most of them let somebody through, or nothing would be learned of the file.
                chmod(shop.path(path), draw(0o755, 0o750, 0o705, 0o050, 0o700, 0o005, 0o644, 0o604, 0o640, 0o055, 0o777))
            }
            let (uid, gid) = (draw(0, 501, 502), draw(0, 601, 602))
            let groups: [UInt32] = [[], [603], [602, 603], [0]][Int(random.next() % 4)]
            // Root's process keeps its capabilities in the oracle.
            guard uid != 0 else { continue }
            let expected = tests_read_as(file, uid, gid, groups, groups.count)
            #expect(Self.open(file, uid: uid, gid: gid, groups) == expected, "\(uid) \(gid) \(groups)")
            if expected == 0 { found += 1 }
        }
        #expect(found > 20)
    }

    @Test("and an access control list denies, and never grants", .enabled(if: geteuid() == 0))
    func list() throws {
        let shop = try Workshop()
        chmod(shop.directory, 0o755)
        let file = try shop.write("f", "f")
        chmod(file, 0o644)
        chown(file, 501, 601)
        #expect(Self.open(file, uid: 502, gid: 602) == 0)
        // Version 2; user::rw- user:502:--- group::r-- mask::r-- other::r--
        let entries: [(UInt16, UInt16, UInt32)] = [(1, 6, .max), (2, 0, 502), (4, 4, .max), (16, 4, .max), (32, 4, .max)]
        var bytes: [UInt8] = [2, 0, 0, 0]
        for (tag, rights, id) in entries {
            withUnsafeBytes(of: tag) { bytes += $0 }
            withUnsafeBytes(of: rights) { bytes += $0 }
            withUnsafeBytes(of: id) { bytes += $0 }
        }
        guard tests_set_attribute(file, "system.posix_acl_access", bytes, bytes.count) == 0 else { return }
        #expect(tests_read_as(file, 502, 602, [], 0) == EACCES)
        #expect(Self.open(file, uid: 502, gid: 602) == EACCES)
        #expect(Self.open(file, uid: 501, gid: 602) == 0)
    }

    /// CAP_DAC_READ_SEARCH, CAP_SETGID, CAP_SETUID, CAP_SYS_PTRACE.
    private static let (search, setgid, setuid, ptrace): (UInt64, UInt64, UInt64, UInt64) = (1 << 2, 1 << 6, 1 << 7, 1 << 19)

    @Test(
        "who is taken over can change no file of root's, and no process, whatever vmascope itself lacks",
        .enabled(if: geteuid() == 0), arguments: [0, setuid, setgid, setuid | setgid, search, ptrace, search | ptrace | setuid])
    func confined(_ lacking: UInt64) throws {
        let shop = try Workshop()
        let file = try shop.write("secret", "secret")
        chmod(file, 0o600)
        let victim = tests_fork_as(0)
        try #require(victim > 0)
        defer {
            kill(victim, SIGKILL)
            waitpid(victim, nil, 0)
        }
        let (search, ptrace) = (Self.search, Self.ptrace)
        // Root's user leads to root's files where CAP_DAC_READ_SEARCH is missing.
        let staysRoot = lacking & Self.setuid != 0
        let helpers: [(@convention(c) () -> Int32, capabilities: UInt64, reads: Bool, isRoot: Bool)] = [
            (vms_confine_opener, search | ptrace | 1 << 40, true, staysRoot || lacking & search != 0),
            (vms_confine_proc_reader, ptrace, staysRoot, staysRoot),
            ({ vms_confine_reader(1 << 30, 64) }, 0, false, staysRoot),
        ]
        for (confine, capabilities, reads, isRoot) in helpers {
            var result = tests_confined()
            try #require(tests_confine(confine, lacking, file, shop.path("absent"), victim, &result) == 0)
            let done = withUnsafeBytes(of: result.done) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            #expect(done.isEmpty)
            #expect((result.uid == 0) == isRoot && result.capabilities == capabilities & ~lacking)
            #expect((result.reads == 0) == reads)
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "secret")
            #expect(access(shop.path("absent"), F_OK) != 0)
        }
    }

    @Test("and who has lower limits than it would set itself keeps these", .enabled(if: geteuid() == 0))
    func limits() throws {
        let shop = try Workshop()
        let file = try shop.write("secret", "secret")
        var result = tests_confined()
        let confine: @convention(c) () -> Int32 = {
            var low = rlimit(rlim_cur: 100, rlim_max: 100)
            setrlimit(__rlimit_resource_t(0), &low)  // RLIMIT_CPU
            return vms_confine_opener()
        }
        // CAP_SYS_RESOURCE could raise them.
        #expect(tests_confine(confine, 1 << 24, file, shop.path("absent"), getpid(), &result) == 0)
        #expect(result.reads == 0)
    }
}
