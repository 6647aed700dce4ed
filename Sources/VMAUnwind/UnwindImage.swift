/// One ELF image of x86-64: where its parts are mapped, and its call-frame information. Nothing in the file is
/// believed: what is damaged is as if it were not there.
public final class UnwindImage {
    /// A part that is mapped, PT_LOAD.
    public struct Segment: Equatable, Sendable {
        /// In the file.
        public var offset: UInt64
        /// In the image, before a loader moves it.
        public var address: UInt64
        /// Bytes of the file.
        public var size: UInt64
        public var isExecutable: Bool
    }

    public let table: UnwindTable
    public let segments: [Segment]

    /// Of each kind; real files have about ten segments, and programs built with a section for each function
    /// and not linked some 10,000 sections.
    private static let most = 1 << 16
    /// Bytes of a section that is unpacked.
    private static let largestUnpacked: UInt64 = 64 << 20

    /// - Parameters:
    ///   - file: the whole of it, or memory that looks the same, as the vdso does.
    ///   - inflate: unpacks zlib's format to so many bytes; nil if it can't.
    /// Nil if it is no ELF file of this machine.
    public init?(_ file: any ByteSource, inflate: (_ packed: [UInt8], _ size: Int) -> [UInt8]? = { _, _ in nil }) {
        let whole = Section(address: 0, source: file)
        var header = Cursor(whole.bytes(at: 0, count: 64))
        let identity = (0..<16).map { _ in header.u8() }
        // 64 bits, little-endian, x86-64
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
        var names = header.unsigned(2)
        guard !header.failed else { return nil }

        func part(_ offset: UInt64, _ size: UInt64, _ address: UInt64) -> Section? {
            guard size > 0, offset < UInt64(file.count) else { return nil }
            let rest = UInt64(file.count) - offset
            return Section(address: address, source: Window(file, start: Int(offset), count: Int(min(size, rest))))
        }
        func entries(_ table: UInt64, _ size: UInt64, _ count: UInt64, least: UInt64, _ body: (inout Cursor) -> Void) {
            guard table > 0, size >= least, count > 0, count <= UInt64(Self.most), table < UInt64(file.count),
                let table = part(table, size * count, 0)
            else { return }
            for index in 0..<Int(count) {
                var cursor = Cursor(table.bytes(at: index * Int(size), count: Int(least)))
                guard cursor.remaining == Int(least) else { return }
                body(&cursor)
            }
        }

        var segments: [Segment] = []
        var frameHeader: Section?
        entries(segmentTable, segmentSize, segmentCount, least: 56) { cursor in
            let kind = cursor.unsigned(4)
            let flags = cursor.unsigned(4)
            let offset = cursor.unsigned(8)
            let address = cursor.unsigned(8)
            _ = cursor.unsigned(8)
            let size = cursor.unsigned(8)
            if kind == 1 {
                segments.append(Segment(offset: offset, address: address, size: size, isExecutable: flags & 1 != 0))
            } else if kind == 0x6474_e550 {
                frameHeader = part(offset, size, address)
            }
        }
        self.segments = segments

        // A file with very many sections keeps their number in the first one.
        if sectionTable > 0, sectionCount == 0 || names == 0xffff, let first = part(sectionTable, 64, 0) {
            if sectionCount == 0 { sectionCount = first.value(at: 32, size: 8) ?? 0 }
            if names == 0xffff { names = first.value(at: 40, size: 4) ?? 0 }
        }
        var found: [SectionHeader] = []
        var nameTable: Section?
        var index: UInt64 = 0
        entries(sectionTable, sectionSize, sectionCount, least: 64) { cursor in
            let header = SectionHeader(&cursor)
            if index == names { nameTable = part(header.offset, header.size, 0) }
            index += 1
            // What has no bytes is not in the file: so is all of a debug file's code.
            if header.kind != 8 { found.append(header) }
        }
        var frames: Section?
        var debugFrames: Section?
        for header in found {
            guard header.kind == 1 || header.kind == 0x7000_0001, let nameTable else { continue }
            switch nameTable.bytes(at: Int(header.name), count: 16).prefix(while: { $0 != 0 }) {
            case let name where name.elementsEqual(".eh_frame".utf8):
                frames = frames ?? part(header.offset, header.size, header.address)
            case let name where name.elementsEqual(".eh_frame_hdr".utf8):
                frameHeader = frameHeader ?? part(header.offset, header.size, header.address)
            case let name where name.elementsEqual(".debug_frame".utf8):
                guard let packed = part(header.offset, header.size, 0) else { continue }
                debugFrames = header.isCompressed ? Self.unpacked(packed, inflate) : packed
            default: break
            }
        }
        // The linker's table says where .eh_frame begins, also where a file has lost its section headers.
        if frames == nil, let frameHeader, let start = SortedIndex.frames(frameHeader) {
            frames = segments.first { start >= $0.address && start - $0.address < $0.size }.flatMap {
                part($0.offset &+ (start - $0.address), $0.size - (start - $0.address), start)
            }
        }
        table = UnwindTable(
            frameHeader: frameHeader, frames: frames, debugFrames: debugFrames,
            code: segments.filter(\.isExecutable).compactMap { part($0.offset, $0.size, $0.address) })
    }

    private struct SectionHeader {
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

    /// A section with SHF_COMPRESSED, which Go's linker makes of .debug_frame.
    private static func unpacked(_ packed: Section, _ inflate: ([UInt8], Int) -> [UInt8]?) -> Section? {
        guard packed.value(at: 0, size: 4) == 1, let size = packed.value(at: 8, size: 8), size <= largestUnpacked,
            packed.count <= Int(largestUnpacked),
            let bytes = inflate(packed.bytes(at: 24, count: packed.count - 24), Int(size)), bytes.count == Int(size)
        else { return nil }
        return Section(address: 0, bytes: bytes)
    }

    /// The image's own address of what lies at `offset` in the file; nil if it is not mapped.
    public func address(ofOffset offset: UInt64) -> UInt64? {
        // A page at the border of two segments is mapped for both: ask for the exact bytes first.
        for slack: UInt64 in [0, 4095] {
            var best: Segment?
            for segment in segments where best == nil || segment.isExecutable && !best!.isExecutable {
                let start = segment.offset < slack ? 0 : segment.offset - slack
                let (end, overflow) = segment.offset.addingReportingOverflow(segment.size)
                if !overflow, offset >= start, offset < end || offset - end < slack { best = segment }
            }
            if let best { return offset &- best.offset &+ best.address }
        }
        return nil
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
