/// The headers of an ELF file of x86-64. Nothing in it is believed: what is damaged is as if it were not there.
struct ImageFile {
    struct SectionHeader {
        var name, kind, flags, address, offset, size: UInt64

        init(_ cursor: inout Cursor) {
            name = cursor.unsigned(4)
            kind = cursor.unsigned(4)
            flags = cursor.unsigned(8)
            address = cursor.unsigned(8)
            offset = cursor.unsigned(8)
            size = cursor.unsigned(8)
        }

        var isCompressed: Bool { flags & 0x800 != 0 }
    }

    private let file: any ByteSource
    private(set) var segments: [UnwindImage.Segment] = []
    /// The section that PT_GNU_EH_FRAME names.
    private(set) var frameHeader: Section?
    private var sections: [SectionHeader] = []
    private var names: Section?

    /// The most segments and the most sections; real files have about ten segments, and objects with a section for
    /// each function some 10,000 sections.
    private static let most: UInt64 = 1 << 16
    /// Bytes of a section that is unpacked.
    static let largestUnpacked: UInt64 = 256 << 20

    /// Nil if it is no such file.
    init?(_ file: any ByteSource) {
        self.file = file
        var header = Cursor(Section(address: 0, source: file).bytes(at: 0, count: 64))
        let identity = (0 ..< 16).map { _ in header.u8() }
        // 64 bits, little-endian
        guard identity.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return nil }
        _ = header.unsigned(2)
        guard header.unsigned(2) == 62, !header.failed else { return nil }
        header.move(to: 32)
        let segmentTable = header.unsigned(8)
        let sectionTable = header.unsigned(8)
        header.move(to: 54)
        let segmentSize = header.unsigned(2)
        let segmentCount = header.unsigned(2)
        let sectionSize = header.unsigned(2)
        var sectionCount = header.unsigned(2)
        var nameIndex = header.unsigned(2)
        guard !header.failed else { return nil }

        for var cursor in entries(segmentTable, segmentSize, segmentCount, least: 56) {
            let kind = cursor.unsigned(4)
            let flags = cursor.unsigned(4)
            let offset = cursor.unsigned(8)
            let address = cursor.unsigned(8)
            _ = cursor.unsigned(8)
            let size = cursor.unsigned(8)
            if kind == 1 {
                segments.append(.init(offset: offset, address: address, size: size, isExecutable: flags & 1 != 0))
            } else if kind == 0x6474_e550 {
                frameHeader = part(offset, size, address)
            }
        }
        // A file with very many sections keeps their number in the first one.
        if sectionTable > 0, sectionCount == 0 || nameIndex == 0xffff, let first = part(sectionTable, 64, 0) {
            if sectionCount == 0 { sectionCount = first.value(at: 32, size: 8) ?? 0 }
            if nameIndex == 0xffff { nameIndex = first.value(at: 40, size: 4) ?? 0 }
        }
        for (index, var cursor) in entries(sectionTable, sectionSize, sectionCount, least: 64).enumerated() {
            let header = SectionHeader(&cursor)
            if index == nameIndex { names = part(header.offset, header.size, 0) }
            // A section without bytes is not in the file: so is all code of a debug file.
            if header.kind == 1 || header.kind == 0x7000_0001 { sections.append(header) }
        }
    }

    private func entries(_ table: UInt64, _ size: UInt64, _ count: UInt64, least: Int) -> [Cursor] {
        guard table > 0, size >= UInt64(least), count <= Self.most, let table = part(table, size * count, 0) else {
            return []
        }
        return (0 ..< Int(count)).compactMap { index in
            let bytes = table.bytes(at: index * Int(size), count: least)
            return bytes.count == least ? Cursor(bytes) : nil
        }
    }

    /// A part of the file, as far as it goes.
    func part(_ offset: UInt64, _ size: UInt64, _ address: UInt64) -> Section? {
        guard size > 0, offset < UInt64(max(0, file.count)) else { return nil }
        let rest = UInt64(file.count) - offset
        return Section(address: address, source: Window(file, start: Int(offset), count: Int(min(size, rest))))
    }

    /// A section by its name, unpacked if it is compressed by zlib to at most `most` bytes.
    func section(_ name: String, most: UInt64 = largestUnpacked) -> Section? {
        let wanted = Array(name.utf8)
        guard let names,
            let header = sections.first(where: { header in
                let text = names.bytes(at: Int(header.name), count: wanted.count + 1)
                return text.dropLast().elementsEqual(wanted) && text.last == 0
            }), let found = part(header.offset, header.size, header.address)
        else { return nil }
        guard header.isCompressed else { return found }
        guard found.value(at: 0, size: 4) == 1, let size = found.value(at: 8, size: 8), size <= most,
            // zlib packs no better than a thousandth
            size / 1200 <= UInt64(found.count), found.count > 24,
            let bytes = Inflate.bytes(found.bytes(at: 24, count: found.count - 24), size: Int(size))
        else { return nil }
        return Section(address: header.address, bytes: bytes)
    }

    /// A part of a file.
    private final class Window: ByteSource {
        let count: Int
        private let file: any ByteSource
        private let start: Int

        init(_ file: any ByteSource, start: Int, count: Int) { (self.file, self.start, self.count) = (file, start, count) }

        func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
            guard offset >= 0, offset < count else { return 0 }
            let size = min(buffer.count, count - offset)
            return file.read(at: start + offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<size]))
        }
    }
}

extension DebugSections {
    /// The unwind tables of a file, or of memory that looks like one.
    public init(_ file: any ByteSource) {
        guard let image = ImageFile(file) else { return }
        for (name, path) in Self.names { self[keyPath: path] = image.section(name) }
    }
}
