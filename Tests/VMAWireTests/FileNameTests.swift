import CVMAWire
import Testing

@testable import VMAWire

@Suite("names of files")
struct FileNameTests {
    private static let names: [(String, UInt32, UInt32, String)] = [
        ("/usr/lib/x.so", 0xef53, 0, "/usr/lib/x.so"),
        ("/tmp/x", 0xef53, VME_FILE_DELETED.rawValue, "/tmp/x (deleted)"),
        ("memfd:libffi", 0x0102_1994, VME_FILE_PSEUDO.rawValue, "/memfd:libffi (deleted)"),
        ("SYSV00000000", 0x0102_1994, VME_FILE_PSEUDO.rawValue, "/SYSV00000000 (deleted)"),
        ("dev/zero", 0x0102_1994, VME_FILE_PSEUDO.rawValue, "/dev/zero (deleted)"),
        ("[io_uring]", 0x0904_1934, VME_FILE_PSEUDO.rawValue, "anon_inode:[io_uring]"),
        ("TCP", 0x534f_434b, VME_FILE_PSEUDO.rawValue, "socket:[42]"),
        ("", 0xef53, 0, "/"),
        ("/far/down/x.so", 0xef53, VME_FILE_CUT.rawValue, "…/far/down/x.so"),
        ("/x.so", 0xef53, VME_FILE_CUT.rawValue | VME_FILE_DELETED.rawValue, "…/x.so (deleted)"),
    ]

    @Test("are those of /proc/PID/maps", arguments: names)
    func text(_ path: String, _ magic: UInt32, _ flags: UInt32, _ expected: String) {
        #expect(FileName.text(path, magic: magic, number: 42, flags: flags) == expected)
    }
}
