import CVMAWire

/// What tells a file, and its content, from others, as the kernel has it.
public struct FileNumbers: Equatable, Sendable {
    public var inode: UInt64
    /// `dev_t` as the kernel has it within: twenty bits are the minor number.
    public var device: UInt32
    /// Of the files that have had that inode's number.
    public var generation: UInt32
    /// Bytes.
    public var size: UInt64
    /// When its content was last changed: nanoseconds of the day's clock, modulo 2⁶⁴; 0 if unknown.
    public var modified: UInt64
}

/// The path of a mapped file, as `/proc/PID/maps` prints it (`d_path`, `path_with_deleted`). Of one that is too long the end,
/// behind `…`.
enum FileName {
    /// Magic numbers of include/uapi/linux/magic.h, of file systems that have their own way (`d_dname`).
    private enum System {
        static let anonInodes: UInt32 = 0x0904_1934
        static let sockets: UInt32 = 0x534f_434b
        static let pipes: UInt32 = 0x5049_5045
        static let dmaBuffers: UInt32 = 0x444d_4142
    }

    /// - Parameters:
    ///   - path: the path from the root of its tree; or the kernel's name for a file that is in no directory.
    ///   - number: the number of its inode.
    static func text(_ path: String, magic: UInt32, number: UInt64, flags: UInt32) -> String {
        guard flags & VME_FILE_PSEUDO.rawValue != 0 else {
            // Its root is a file that is mounted by itself, or it could not be read.
            let text = flags & VME_FILE_CUT.rawValue != 0 ? "…" + path : path.isEmpty ? "/" : path
            return flags & VME_FILE_DELETED.rawValue != 0 ? "\(text) (deleted)" : text
        }
        return switch magic {
        case System.anonInodes: "anon_inode:\(path)"
        case System.sockets: "socket:[\(number)]"
        case System.pipes: "pipe:[\(number)]"
        case System.dmaBuffers: "/dmabuf:"
        // memfd, System V segments, shared anonymous memory, huge pages: `simple_dname`.
        default: "/\(path) (deleted)"
        }
    }
}
