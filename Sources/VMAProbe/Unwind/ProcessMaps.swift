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

    private var known: [UInt32: (code: [Code], readAt: UInt64)] = [:]
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

    /// Reads what the process maps now, unless that was done just now.
    func refresh(_ tgid: UInt32) {
        let now = vms_monotonic_ns()
        if let old = known[tgid], now < old.readAt + Self.patience { return }
        guard let bytes = ProcFile.bytes("/proc/\(tgid)/maps"), !bytes.isEmpty else { return }
        if known.count >= Self.processLimit { known = [:] }
        if files.count >= Self.fileLimit { (known, files, numbered) = ([:], [:], [:]) }
        known[tgid] = (Self.executable(bytes).compactMap { code(String(decoding: $0, as: UTF8.self)) }, now)
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

    private func code(_ line: String) -> Code? {
        let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard parts.count >= 5 else { return nil }
        func numbers(_ text: Substring, _ separator: Character) -> [UInt64] {
            text.split(separator: separator).compactMap { UInt64($0, radix: 16) }
        }
        let (ends, device) = (numbers(parts[0], "-"), numbers(parts[3], ":"))
        guard ends.count == 2, device.count == 2, let offset = UInt64(parts[2], radix: 16), let inode = UInt64(parts[4]) else {
            return nil
        }
        let path = parts.count > 5 ? String(parts[5].drop { $0 == " " }) : ""
        var id = FileID(0)
        if inode != 0 {
            let file = File(identity: FileIdentity(device: device[0] << 32 | device[1], inode: inode), path: path)
            id = files[file] ?? next
            if id == next {
                next += 1
                (files[file], numbered[id]) = (id, file)
            }
        }
        let vma = VMA(
            AddressRange(ends[0], ends[1]), pgoff: offset >> UInt64(AddressRange.pageShift), flags: [.read, .exec], file: id)
        return Code(vma: vma, path: path.isEmpty ? nil : path)
    }
}
