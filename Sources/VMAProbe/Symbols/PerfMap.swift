import Glibc

/// The names that compilers at run time give perf for their code: /tmp/perf-PID.map, whose lines are `START SIZE
/// name`. The observed process writes the file, so all of it is bounded (`SymbolLimits`).
final class PerfMap {
    /// Opens the file as it is now; nil if there is none, or none to be believed.
    private let reopen: () -> Int32?
    private var device: UInt64 = 0
    private var inode: UInt64 = 0
    /// Bytes of the file that have been read, and of those the last that are no whole line yet.
    private var size = 0
    private var rest: [UInt8] = []
    /// The line that begins in `rest` is too long, and is passed over.
    private var skipsLine = false
    /// All names, one after the other, and where each begins.
    private var text: [UInt8] = []
    private var starts: [Int] = []
    private var spans: [SpanIndex.Span] = []
    private var index = SpanIndex()
    private var lookedAt: UInt64 = 0

    private let pause: UInt64

    /// - Parameter pause: nanoseconds between two looks at it; a name that is known is believed for twenty times as
    ///   long, since code is made where other code was.
    init(pause: UInt64, reopen: @escaping () -> Int32?) {
        self.pause = pause
        self.reopen = reopen
    }

    /// Bytes, roughly.
    var footprint: Int { text.count + rest.count + spans.count * 64 }

    /// - Parameter room: bytes that it may grow by.
    func name(of address: UInt64, room: Int) -> String? {
        let now = clock_now()
        if now >= lookedAt + pause, find(address) == nil || now >= lookedAt + 20 * pause {
            lookedAt = now
            if let fd = reopen() {
                read(fd, room: room)
                close(fd)
            }
        }
        return find(address)
    }

    /// The line that was written last wins.
    private func find(_ address: UInt64) -> String? {
        var last: UInt32?
        var seen = 0
        index.forEach(holding: address) { span in
            last = max(last ?? 0, span.tag)
            seen += 1
            return seen < 1000
        }
        guard let last else { return nil }
        let end = Int(last) + 1 < starts.count ? starts[Int(last) + 1] : text.count
        return String(decoding: text[starts[Int(last)] ..< end], as: UTF8.self)
    }

    /// Reads on from where it was, or all of it where it is another file now.
    func read(_ fd: Int32, room: Int) {
        var status = stat()
        guard fstat(fd, &status) == 0 else { return }
        if UInt64(status.st_dev) != device || UInt64(status.st_ino) != inode || Int(status.st_size) < size {
            (spans, text, starts, index, size, rest, skipsLine) = ([], [], [], SpanIndex(), 0, [], false)
            (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        }
        let before = spans.count
        let start = footprint
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while size < min(Int(status.st_size), SymbolLimits.perfMap), footprint - start < room,
            spans.count < SymbolLimits.perfMapLines
        {
            let wanted = min(buffer.count, SymbolLimits.perfMap - size)
            let got = pread(fd, &buffer, wanted, off_t(size))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            size += got
            take(buffer[..<got])
        }
        if spans.count != before { index = SpanIndex(spans) }
    }

    private func take(_ bytes: ArraySlice<UInt8>) {
        var bytes = bytes
        while let end = bytes.firstIndex(of: 10) {
            if !skipsLine, rest.count + (end - bytes.startIndex) <= SymbolLimits.perfMapLine {
                if rest.isEmpty { add(bytes[..<end]) } else { add((rest + bytes[..<end])[...]) }
            }
            (rest, skipsLine) = ([], false)
            bytes = bytes[(end + 1)...]
        }
        if skipsLine || rest.count + bytes.count > SymbolLimits.perfMapLine {
            (rest, skipsLine) = ([], true)
        } else {
            rest += bytes
        }
    }

    /// Numbers in hexadecimal; a line that is not is none.
    private func add(_ line: ArraySlice<UInt8>) {
        guard spans.count < SymbolLimits.perfMapLines else { return }
        let space = UInt8(ascii: " ")
        let parts = line.split(separator: space, maxSplits: 2, omittingEmptySubsequences: true)
        guard parts.count == 3, let start = Self.number(parts[0]), let size = Self.number(parts[1]), size > 0 else {
            return
        }
        let (end, overflow) = start.addingReportingOverflow(size)
        guard !overflow else { return }
        spans.append(.init(start: start, end: end, tag: UInt32(starts.count)))
        starts.append(text.count)
        text += parts[2].prefix(SymbolLimits.name)
    }

    private static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
        var text = text
        if text.starts(with: "0x".utf8) { text = text.dropFirst(2) }
        guard !text.isEmpty, text.count <= 16 else { return nil }
        return UInt64(String(decoding: text, as: UTF8.self), radix: 16)
    }
}

/// CLOCK_MONOTONIC, in nanoseconds.
private func clock_now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
