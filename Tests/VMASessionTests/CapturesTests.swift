import Foundation
import Testing
import VMACore

@testable import VMASession

/// The directory of `system --capture`.
@Suite("The directory of captures")
struct CapturesTests {
    private let folder: String

    init() throws {
        var template = Array("/tmp/vmascope-captures-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func failure(_ path: String) -> String? {
        do {
            _ = try Captures(CaptureSettings(folder: path))
            return nil
        } catch { return (error as? Failure).map { "\($0.status) \($0.message)" } ?? "\(error)" }
    }

    @Test("is one of which nobody else can change the files")
    func place() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(failure(folder) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        for mode in [0o770, 0o707, 0o1777] as [mode_t] {
            chmod(folder, mode)
            #expect(
                failure(folder) == "74 --capture \(folder): others may write there; use a directory of your own, with mode 0700")
        }
        chmod(folder, 0o700)
        #expect(failure(folder + "/none") == "74 --capture \(folder)/none: No such file or directory")
        try "".write(toFile: folder + "/file", atomically: false, encoding: .utf8)
        #expect(failure(folder + "/file")?.hasPrefix("74 --capture \(folder)/file: ") == true)
        try #require(chown(folder, 12345, 12345) == 0, "run the tests as root: one gives a directory away")
        #expect(failure(folder)?.hasPrefix("74 ") == true)
    }

    @Test("has names that no process chooses")
    func names() {
        let time = "2026-11-29T03:15:02Z"
        #expect(Captures.name("redis-server", 812, 33, at: time) == "redis_server-812-33-20261129T031502Z")
        #expect(Captures.name("../../etc/x", 1, 0, at: time) == "______etc_x-1-0-20261129T031502Z")
        #expect(Captures.name("", 1, 0, at: time) == "_-1-0-20261129T031502Z")
        #expect(Captures.name("-rf\n\u{1b}[2J", 1, 0, at: time) == "_rf___2J-1-0-20261129T031502Z")
    }

    private func interval(_ processes: [ProcessStock], at time: UInt64) -> SystemInterval {
        SystemInterval(
            number: 1, time: time, seconds: 1, limit: 65_530, processes: processes,
            own: Own(cpuSeconds: 0, bpfSeconds: nil, share: 0, budget: 0.01, residentBytes: nil),
            warned: Set(processes.map(\.key)))
    }

    @Test("keeps so many recordings, an earlier observer's included, and no file of another kind goes")
    func bounded() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let old = (1 ... 5).map { "old-\($0)-0-2026112\($0)T031502Z" }
        let others = ["notes.vmt", "a-b-0-20261121T031502Z.vmt", "c-1-0-20261121T031502Z.json", "c-1-20261121T031502Z.vmt"]
        for name in old.flatMap({ [$0 + ".vmt", $0 + ".txt"] }) + others {
            try "".write(toFile: "\(folder)/\(name)", atomically: false, encoding: .utf8)
        }
        let captures = try Captures(CaptureSettings(folder: folder, seconds: 1, most: 3))
        let process = ProcessStock(
            key: ProcessKey(pid: 999_999_999, started: 1), mm: 1, command: "new", vmas: 60_000, countedAt: 0)
        // The executable of the tests is no vmascope: it makes no recording.
        #expect(captures.begin(interval([process], at: 1), since: 0) == nil)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix("new") }
        #expect(Set(left) == Set(old.suffix(2).flatMap { [$0 + ".vmt", $0 + ".txt"] } + others))
        captures.stop()
        let lines = captures.finish()
        #expect(captures.counts == [.near: 1] && captures.all.count == 1)
        // Where the signal comes late, what is started ends by itself, and does not say that it failed.
        switch captures.all[0].state {
        case .running: Issue.record("it goes on")
        case .done: #expect(lines.first?.contains("new[999999999]") == true, "\(lines)")
        case .failed:
            #expect(
                lines.count == 1 && lines[0].hasPrefix("warning: new[999999999] could not be captured in whole (it came near"),
                "\(lines)")
        }
    }
}
