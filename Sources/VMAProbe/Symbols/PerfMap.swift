import Glibc

/// What compilers at run time tell perf about their code: /tmp/perf-PID.map.
struct PerfMaps {
    private var maps: [Int32: PerfMap] = [:]

    /// The name of what a process has compiled at `address`, if it says.
    mutating func name(of address: UInt64, _ pid: Int32) -> String? {
        let map = maps[pid] ?? PerfMap(pid)
        maps[pid] = map
        return map.name(of: address)
    }
}

final class PerfMap {
    private let pid: Int32
    private let path: String
    private var device: UInt64 = 0
    private var inode: UInt64 = 0
    /// Bytes of the file that have been read, all of whole lines.
    private var size = 0
    private var spans: [SpanIndex.Span] = []
    private var names: [String] = []
    private var index = SpanIndex()

    /// Bytes. More of a file, which the observed process writes, we don't read.
    private static let largest = 64 << 20

    init(_ pid: Int32) {
        self.pid = pid
        // The process knows its id in its own namespace, the last of the list.
        let own = ProcFile.status(pid, "NSpid")?.split { $0 == "\t" || $0 == " " }.last ?? "\(pid)"
        path = "/proc/\(pid)/root/tmp/perf-\(own).map"
    }

    func name(of address: UInt64) -> String? {
        var status = stat()
        let exists = lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        if exists, UInt64(status.st_dev) != device || UInt64(status.st_ino) != inode || Int(status.st_size) < size {
            (spans, names, index, size) = ([], [], SpanIndex(), 0)
        }
        if let found = find(address) { return found }
        guard exists, status.st_size > size, size < Self.largest, read() else { return nil }
        return find(address)
    }

    /// The line that was written last wins.
    private func find(_ address: UInt64) -> String? {
        var last: UInt32?
        index.forEach(holding: address) { span in
            last = max(last ?? 0, span.tag)
            return true
        }
        return last.map { names[Int($0)] }
    }

    /// Reads on from where we were. Returns false if there is nothing to be had.
    private func read() -> Bool {
        guard let fd = RegularFile.open(path, followsLink: false) else { return false }
        defer { close(fd) }
        var status = stat()
        // Anybody may write to /tmp.
        guard fstat(fd, &status) == 0, status.st_uid == 0 || status.st_uid == owner else { return false }
        (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), Self.largest) - size)
        let wanted = bytes.count
        var count = 0
        while count < wanted {
            let got = bytes.withUnsafeMutableBytes { pread(fd, $0.baseAddress! + count, wanted - count, size + count) }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
        // The last line may be only half there.
        guard let end = bytes[..<count].lastIndex(of: 10) else { return false }
        for line in bytes[..<end].split(separator: 10) { add(line) }
        size += end + 1
        index = SpanIndex(spans)
        return true
    }

    /// Whose files to believe, beside root's.
    private var owner: UInt32? {
        ProcFile.status(pid, "Uid")?.split { $0 == "\t" || $0 == " " }.dropFirst().first.flatMap { UInt32($0) }
    }

    /// `START SIZE name`, numbers in hexadecimal; a line that is not is none.
    private func add(_ line: ArraySlice<UInt8>) {
        let space = UInt8(ascii: " ")
        let parts = line.split(separator: space, maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count == 3, let start = Self.number(parts[0]), let size = Self.number(parts[1]), size > 0 else {
            return
        }
        let (end, overflow) = start.addingReportingOverflow(size)
        guard !overflow else { return }
        spans.append(.init(start: start, end: end, tag: UInt32(names.count)))
        names.append(String(decoding: parts[2], as: UTF8.self))
    }

    private static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        var text = text
        if text.starts(with: "0x".utf8) { text = text.dropFirst(2) }
        guard !text.isEmpty, text.count <= 16 else { return nil }
        return UInt64(String(decoding: text, as: UTF8.self), radix: 16)
    }
}
