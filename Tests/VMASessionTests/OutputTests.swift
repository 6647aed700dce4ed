import Foundation
import Testing

@testable import VMASession

/// Where reports go, on a file system where others may have been before.
@Suite("An output file")
struct OutputTests {
    private let folder: String

    init() throws {
        var template = Array("/tmp/vmascope-output-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }

    private func file(_ name: String, _ text: String, mode: mode_t, owner: uid_t = geteuid()) throws {
        try text.write(toFile: path(name), atomically: false, encoding: .utf8)
        try #require(chmod(path(name), mode) == 0)
        if owner != geteuid() {
            try #require(chown(path(name), owner, owner) == 0, "run the tests as root: one gives a file away")
        }
    }

    private func status(_ name: String) -> stat {
        var status = stat()
        lstat(path(name), &status)
        return status
    }

    private func text(_ name: String) -> String { (try? String(contentsOfFile: path(name), encoding: .utf8)) ?? "" }

    @Test("that is new can be read by its owner only, unless told otherwise")
    func newFile() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Output(path("a")).write("a\n")
        #expect(text("a") == "a\n" && status("a").st_mode & 0o777 == 0o600)
        try Output(path("b"), mode: 0o644).write("b\n")
        #expect(status("b").st_mode & 0o777 == 0o644)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a", "b"])
    }

    @Test("that exists keeps its mode, and another user's its owner")
    func oldFile() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try file("own", "old\n", mode: 0o600)
        try Output(path("own")).write("new\n")
        #expect(text("own") == "new\n" && status("own").st_mode & 0o777 == 0o600)
        try file("other", "longer than what comes\n", mode: 0o640, owner: 12345)
        let before = status("other")
        try Output(path("other")).write("new\n")
        let after = status("other")
        #expect(text("other") == "new\n")
        #expect(after.st_uid == 12345 && after.st_mode == before.st_mode && after.st_ino == before.st_ino)
    }

    @Test("with another name as well is written in place")
    func linkedFile() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try file("one", "old\n", mode: 0o600)
        try #require(link(path("one"), path("two")) == 0)
        try Output(path("one")).write("new\n")
        #expect(text("two") == "new\n")
    }

    /// As `fs.protected_symlinks` forbids; the kernel's setting is put back.
    @Test("is not one that a stranger's link in a folder like /tmp leads to")
    func plantedLink() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let setting = "/proc/sys/fs/protected_symlinks"
        let old = try String(contentsOfFile: setting, encoding: .utf8)
        try #require((try? "1\n".write(toFile: setting, atomically: false, encoding: .utf8)) != nil, "run the tests as root")
        defer { try? old.write(toFile: setting, atomically: false, encoding: .utf8) }
        try file("secret", "old\n", mode: 0o600)
        try #require(mkdir(path("public"), 0o777) == 0 && chmod(path("public"), 0o1777) == 0)
        try #require(symlink(path("secret"), path("public/report")) == 0 && lchown(path("public/report"), 12345, 12345) == 0)
        #expect(throws: Failure.self) { try Output(path("public/report")).write("new\n") }
        #expect(text("secret") == "old\n")
        #expect(throws: Failure.self) { _ = try Recorder(path("public/report"), notInto: nil) }
    }
}
