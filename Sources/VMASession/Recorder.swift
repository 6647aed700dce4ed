import Glibc
import VMACore
import VMATrace

/// Writes an observation's events to a file. The file is complete up to its last block however vmascope ends, and
/// when the disk fills up.
final class Recorder {
    private let path: String
    private var fd: Int32
    private var writer = TraceWriter()
    /// Bytes of whole blocks in the file.
    private var size: off_t = 0
    private var flushedAt: UInt64 = 0
    /// Why the recording ended before the observation did, in words; nil if it did not.
    private(set) var failure: String?

    /// From this size on the recording leaves so much of the file system free, in percent: an observed process decides
    /// how long a recording becomes.
    private static let (freeFrom, freePercent): (off_t, UInt64) = (16 << 20, 5)
    private var checkedAt: off_t = 0

    private static let blockBytes = 256 << 10
    private static let blockTime: UInt64 = 1_000_000_000

    /// Opens the file, and leaves its old contents until there is something to record.
    init(_ path: String, mode: mode_t? = nil, notInto report: String?) throws {
        self.path = path
        var file = stat()
        // Opening a pipe would wait.
        if stat(path, &file) == 0, ![S_IFREG, S_IFCHR].contains(file.st_mode & S_IFMT) {
            throw Failure(message: "--record \(path): not a regular file", status: 64)
        }
        fd = try Output.open(path, mode: mode ?? Output.ownMode)
        guard fstat(fd, &file) == 0 else { return }
        if let report, Self.isSame(file, { stat(report, $0) }) {
            throw Failure(message: "--record and --output name the same file: \(path)", status: 64)
        }
        if Self.isSame(file, { fstat(1, $0) }) {
            throw Failure(message: "--record \(path): this is stdout, which takes the report", status: 64)
        }
    }

    deinit { if fd >= 0 { close(fd) } }

    func begin(_ header: TraceHeader) {
        ftruncate(fd, 0)  // a device has nothing to cut off
        write(TraceWriter.start(header))
    }

    func append(_ event: Event) {
        guard fd >= 0 else { return }
        writer.append(event)
        if writer.pendingBytes >= Self.blockBytes { write(writer.takeBlock()) }
    }

    /// Writes the block if it is a second old. `now` is in nanoseconds of CLOCK_MONOTONIC.
    func flush(_ now: UInt64) {
        guard fd >= 0, now >= flushedAt + Self.blockTime else { return }
        flushedAt = now
        write(writer.takeBlock())
    }

    func finish(_ end: TraceEnd) {
        guard fd >= 0 else { return }
        write(writer.takeBlock())
        write(TraceWriter.end(end))
        guard fd >= 0 else { return }
        let closed = close(fd)  // where a network's file system says that it is full
        fd = -1
        if closed != 0 { failure = String(cString: strerror(errno)) }
    }

    /// Throws with status 74 if the recording is incomplete.
    func demandWhole() throws {
        if let failure { throw Failure.output("recording \(path): \(failure); the recording ends before that") }
    }

    private func write(_ bytes: [UInt8]) {
        guard fd >= 0, !bytes.isEmpty else { return }
        if size >= checkedAt + Self.freeFrom {
            checkedAt = size
            guard hasRoom else { return fail("less than \(Self.freePercent)% of the file system is free") }
        }
        var done = 0
        while done < bytes.count {
            let wrote = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress! + done, $0.count - done) }
            if wrote < 0, errno == EINTR { continue }
            guard wrote > 0 else { return fail(String(cString: strerror(errno))) }
            done += wrote
        }
        size += off_t(bytes.count)
    }

    private var hasRoom: Bool {
        var system = statvfs()
        guard fstatvfs(fd, &system) == 0, system.f_blocks > 0 else { return true }
        return UInt64(system.f_bavail) >= UInt64(system.f_blocks) / 100 * Self.freePercent
    }

    /// The file ends with its last whole block; the observation goes on.
    private func fail(_ reason: String) {
        failure = reason
        ftruncate(fd, size)
        close(fd)
        fd = -1
        writer = TraceWriter()
        Console.warn("recording \(path): \(reason); the recording ends here, the observation goes on")
    }

    private static func isSame(_ file: stat, _ other: (UnsafeMutablePointer<stat>) -> Int32) -> Bool {
        var found = stat()
        return other(&found) == 0 && found.st_dev == file.st_dev && found.st_ino == file.st_ino
    }
}
