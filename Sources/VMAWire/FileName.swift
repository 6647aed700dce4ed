import CVMAWire

/// The path of a mapped file, as `/proc/PID/maps` prints it (`d_path`, `path_with_deleted`).
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
            let text = path.isEmpty ? "/" : path
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
