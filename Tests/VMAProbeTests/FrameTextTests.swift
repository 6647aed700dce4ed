import Foundation
import Testing

@testable import VMAProbe

@Suite(.serialized) struct FrameTextTests {
    let symbolizer = Symbolizer()

    private func anonymous(_ address: UInt64, caller: Bool = false, by other: Symbolizer? = nil) -> String {
        let place = MappedPlace(path: nil, fileOffset: 0, address: address, mappingStart: 0x7000)
        return (other ?? symbolizer).frame(place, pid: getpid(), isCaller: caller)
    }

    @Test func withoutFile() {
        #expect(anonymous(0x7abc) == "anon+0xabc")
        let nowhere = MappedPlace(path: nil, fileOffset: 0, address: 0x1234, mappingStart: 0x1234)
        #expect(symbolizer.frame(nowhere, pid: getpid(), isCaller: true) == "0x1234")
    }

    @Test(arguments: [
        ("[vdso]", "[vdso]+0xa10"), ("/nowhere/libx.so", "libx.so+0xa10"),
        ("/nowhere/a;b\nc", "a,b?c+0xa10"), ("/memfd:code (deleted)", "memfd:code+0xa10"),
        ("/dev/zero", "zero+0xa10"), ("/etc/passwd", "passwd+0xa10"), ("", "anon+0x10"), ("/", "+0xa10"),
    ])
    func withUnreadableFile(_ path: String, _ text: String) {
        let place = MappedPlace(path: path, fileOffset: 0xa10, address: 0x7010, mappingStart: 0x7000)
        #expect(symbolizer.frame(place, pid: getpid(), isCaller: false) == text)
        #expect(symbolizer.frame(place, pid: .max, isCaller: false) == text)
    }

    @Test func pipeIsNotOpened() throws {
        let shop = try Workshop()
        #expect(mkfifo(shop.path("pipe"), 0o600) == 0)
        #expect(RegularFile.open(shop.path("pipe")) == nil)
        #expect(RegularFile.open("/dev/null") == nil)
    }

    // MARK: /tmp/perf-PID.map

    private let map = "/tmp/perf-\(getpid()).map"

    private func append(_ text: String) throws {
        if access(map, F_OK) != 0 { _ = FileManager.default.createFile(atPath: map, contents: nil) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: map))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    @Test func perfMap() throws {
        unlink(map)
        defer { unlink(map) }
        #expect(anonymous(0x7100) == "anon+0x100")
        try append(
            """
            7100 20 first of all
            nonsense
            7140 zz bad
            7140 20

            ffffffffffffffff ffffffffffffffff wraps
            123456789abcdef01 10 long
            0x7200 100 wide;name
            7210 10 narrow
            7100 10 again
            7300 10 half
            """)
        #expect(anonymous(0x7100) == "again (jit)")
        #expect(anonymous(0x7110) == "first of all (jit)")
        #expect(anonymous(0x7120) == "anon+0x120")
        #expect(anonymous(0x7120, caller: true) == "first of all (jit)")
        #expect(anonymous(0x7145) == "anon+0x145")
        #expect(anonymous(0x7218) == "narrow (jit)")
        #expect(anonymous(0x7250) == "wide,name (jit)")
        #expect(anonymous(0x7300) == "anon+0x300")
        try append(" line\n7400 10 later\n")
        #expect(anonymous(0x7400) == "later (jit)")
        #expect(anonymous(0x7300) == "half line (jit)")
        // Another file in its place.
        unlink(map)
        try append("7400 10 other\n")
        #expect(anonymous(0x7400) == "other (jit)")
        #expect(anonymous(0x7100) == "anon+0x100")
        let memory = MappedPlace(path: "/memfd:jit", fileOffset: 0, address: 0x7404, mappingStart: 0x7400)
        #expect(symbolizer.frame(memory, pid: getpid(), isCaller: false) == "other (jit)")
    }

    @Test func perfMapThatIsNotToBeBelieved() throws {
        unlink(map)
        defer { unlink(map) }
        try append("7100 20 stranger\n")
        try #require(chown(map, 12345, 0) == 0, "run the tests as root: one gives a file away")
        #expect(anonymous(0x7100) == "anon+0x100")
        #expect(chown(map, geteuid(), 0) == 0)
        #expect(anonymous(0x7100) == "stranger (jit)")
        #expect(rename(map, map + ".real") == 0)
        defer { unlink(map + ".real") }
        #expect(symlink(map + ".real", map) == 0)
        #expect(anonymous(0x7100, by: Symbolizer()) == "anon+0x100")
        unlink(map)
        #expect(mkfifo(map, 0o600) == 0)
        #expect(anonymous(0x7100, by: Symbolizer()) == "anon+0x100")
    }
}
