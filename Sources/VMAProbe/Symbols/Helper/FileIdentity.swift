import Glibc
import VMAWire

/// Which file it is, whatever it is called, and which of its contents: the device of its file system, its inode's number,
/// and when it was last written.
public struct FileIdentity: Hashable, Sendable {
    /// What a file holds, as far as its inode tells. Who writes to a file in place leaves it another time.
    public struct Content: Hashable, Sendable {
        /// Bytes.
        public var size: UInt64
        /// st_mtim in nanoseconds, modulo 2⁶⁴.
        public var modified: UInt64

        public init(size: UInt64, modified: UInt64) { (self.size, self.modified) = (size, modified) }

        /// Nil of what is no open descriptor.
        init?(_ fd: Int32) {
            var status = stat()
            guard fstat(fd, &status) == 0 else { return nil }
            self.init(status)
        }

        init(_ status: stat) {
            let (seconds, nanoseconds) = (Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec))
            self.init(
                size: UInt64(bitPattern: Int64(status.st_size)),
                modified: UInt64(bitPattern: seconds) &* 1_000_000_000 &+ UInt64(bitPattern: nanoseconds))
        }
    }

    /// Major number × 2³² + minor number.
    public var device: UInt64
    public var inode: UInt64
    /// Tells apart the files that have had that number one after the other. The kernel says it of what is mapped;
    /// stat(2) does not.
    public var generation: UInt32
    /// Nil if it is unknown: /proc/PID/maps does not say it.
    public var content: Content?

    public init(device: UInt64, inode: UInt64, generation: UInt32 = 0, content: Content? = nil) {
        (self.device, self.inode, self.generation, self.content) = (device, inode, generation, content)
    }

    public init(_ numbers: FileNumbers) {
        self.init(
            device: UInt64(numbers.device >> 20) << 32 | UInt64(numbers.device & 0xfffff), inode: numbers.inode,
            generation: numbers.generation,
            content: numbers.modified == 0 ? nil : Content(size: numbers.size, modified: numbers.modified))
    }

    /// Whether it has the same number now.
    func hasNumber(of other: FileIdentity) -> Bool { (device, inode) == (other.device, other.inode) }
}
