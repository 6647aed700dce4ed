import CSystem
import Glibc
import VMACore

/// Where code lies in processes that are not followed, by /proc/PID/maps. What was read of one that is gone is kept
/// for a while: its last call may still be asked about.
final class ProcessMaps {
    struct Code {
        var vma: VMA
        /// As /proc/PID/maps prints it; nil for memory.
        var path: String?
    }

    private struct File: Hashable {
        var identity: FileIdentity
        var path: String
    }

    private struct Known {
        var code: [Code]
        /// By the clock that does not stop, and by the day's.
        var readAt: UInt64
        var day: (seconds: Int64, nanoseconds: Int64)
    }

    private var known: [UInt32: Known] = [:]
    private var files: [File: FileID] = [:]
    private var numbered: [FileID: File] = [:]
    /// Numbers are not given twice: others remember them.
    private var next = FileID(1)
    private static let (processLimit, fileLimit) = (64, 4096)
    /// Nanoseconds: a process of many VMAs is not read for each of its stacks.
    private static let patience: UInt64 = 1_000_000_000

    func path(_ file: FileID) -> String? { numbered[file]?.path }
    func identity(_ file: FileID) -> FileIdentity? { numbered[file]?.identity }

    func code(_ tgid: UInt32, at address: UInt64) -> Code? {
        known[tgid]?.code.first { $0.vma.range.contains(address) }
    }

    /// When it was read what the process maps, by the day's clock.
    func readAt(_ tgid: UInt32) -> (seconds: Int64, nanoseconds: Int64)? { known[tgid]?.day }

    /// Reads what the process maps now, unless that was done just now.
    func refresh(_ tgid: UInt32) {
        let now = vms_monotonic_ns()
        if let old = known[tgid], now < old.readAt + Self.patience { return }
        guard let bytes = ProcFile.bytes("/proc/\(tgid)/maps"), !bytes.isEmpty else { return }
        if known.count >= Self.processLimit { known = [:] }
        if files.count >= Self.fileLimit { (known, files, numbered) = ([:], [:], [:]) }
        known[tgid] = Known(
            code: Self.executable(bytes).compactMap { code(String(decoding: $0, as: UTF8.self)) }, readAt: now,
            day: FileRequest.now)
    }

    /// Lines of what can be executed, which are few among many.
    private static func executable(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            // `7f00-7f10 r-xp 00001000 08:01 123   /usr/lib/x.so`
            if let space = bytes[start ..< end].firstIndex(of: UInt8(ascii: " ")), space + 3 < end,
                bytes[space + 3] == UInt8(ascii: "x")
            {
                lines.append(bytes[start ..< end])
            }
            start = end + 1
        }
        return lines
    }

    private func code(_ text: String) -> Code? {
        guard let line = MapsLine(text) else { return nil }
        var id = FileID(0)
        if line.identity.inode != 0 {
            let file = File(identity: line.identity, path: line.path)
            id = files[file] ?? next
            if id == next {
                next += 1
                (files[file], numbered[id]) = (id, file)
            }
        }
        let vma = VMA(
            AddressRange(line.start, line.end), pgoff: line.offset >> UInt64(AddressRange.pageShift), flags: [.read, .exec],
            file: id)
        return Code(vma: vma, path: line.path.isEmpty ? nil : line.path)
    }
}
