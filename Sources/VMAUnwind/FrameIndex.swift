/// Finds the offset of the FDE for an address by .eh_frame_hdr, the linker's sorted table
/// (LSB Core, "The .eh_frame_hdr section"). Nothing is kept of it in memory.
struct SortedIndex {
    private let header: Section
    private let frames: Section
    private let encoding: PointerEncoding
    private let entries: Int
    private let width: Int
    private let count: Int

    /// Reads the search table; nil if it is missing or damaged, or can't be searched.
    init?(_ header: Section, _ frames: Section) {
        var cursor = Cursor(header.bytes(at: 0, count: 64))
        guard cursor.u8() == 1 else { return nil }
        let pointer = PointerEncoding(byte: cursor.u8())
        let number = PointerEncoding(byte: cursor.u8())
        encoding = PointerEncoding(byte: cursor.u8())
        guard let width = encoding.size, !encoding.isIndirect, !encoding.isOmitted, !number.isOmitted,
            pointer.isOmitted || pointer.readValue(&cursor) != nil,
            let count = number.readValue(&cursor), count > 0
        else { return nil }
        self.width = width
        entries = cursor.offset
        guard count <= UInt64((header.count - entries) / (2 * width)) else { return nil }
        self.count = Int(count)
        self.header = header
        self.frames = frames
    }

    /// Where a header says that .eh_frame begins, in the image.
    static func frames(_ header: Section) -> UInt64? {
        var cursor = Cursor(header.bytes(at: 0, count: 16))
        guard cursor.u8() == 1 else { return nil }
        let encoding = PointerEncoding(byte: cursor.u8())
        _ = cursor.unsigned(2)
        guard !encoding.isIndirect else { return nil }
        return encoding.read(&cursor, address: header.address, data: header.address)
    }

    private func pointer(_ offset: Int) -> UInt64? {
        var cursor = Cursor(header.bytes(at: offset, count: width))
        return encoding.read(&cursor, address: header.address &+ UInt64(offset), data: header.address)
    }

    /// The usual encoding, an offset of four bytes from the header, without the detour.
    private func start(_ index: Int) -> UInt64? {
        let offset = entries + 2 * width * index
        guard encoding.byte == 0x3b else { return pointer(offset) }
        return header.value(at: offset, size: 4).map {
            header.address &+ UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: $0)))
        }
    }

    /// The offset in .eh_frame of the last FDE that begins at `address` or before it.
    func offset(for address: UInt64) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            guard let start = start(middle) else { return nil }
            if start <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, let place = pointer(entries + 2 * width * (low - 1) + width), place >= frames.address else {
            return nil
        }
        return Int(exactly: place - frames.address)
    }
}

/// Finds the offset of the FDE for an address by a list that was made by reading all entries.
struct ScannedIndex {
    private struct Span {
        var start: UInt64
        var end: UInt64
        var offset: Int
    }

    private var spans: [Span] = []

    /// FDEs of one file; what is beyond has none. Bounds memory at 24 MiB and time at about a second.
    private static let most = 1 << 20

    var footprint: Int { spans.capacity * 24 }

    init(_ frames: FrameSection, common: (Int) -> CommonEntry?) {
        var offset = 0
        for _ in 0 ..< 2 * Self.most {
            guard spans.count < Self.most else { break }
            guard let head = frames.head(at: offset) else {
                // A terminator: that of crtend.o stands at the end, those of objects that were linked without
                // it in the middle.
                guard frames.section.value(at: offset, size: 4) == 0, offset + 4 < frames.section.count else { break }
                offset += 4
                continue
            }
            if let place = head.common, let common = common(place), let range = frames.range(of: head, common),
                range.start != 0
            {
                spans.append(Span(start: range.start, end: range.end, offset: offset))
            }
            offset = head.next
        }
        spans.sort { ($0.start, $0.offset) < ($1.start, $1.offset) }
    }

    func offset(for address: UInt64) -> Int? {
        let low = spans.partitioningIndex { $0.start > address }
        guard low > 0, address < spans[low - 1].end else { return nil }
        return spans[low - 1].offset
    }
}
