/// One ELF image of x86-64: where its parts are mapped, and its call-frame information.
public final class UnwindImage {
    /// A part that is mapped, PT_LOAD.
    public struct Segment: Equatable, Sendable {
        /// The offset in the file.
        public var offset: UInt64
        /// The address in the image, before a loader moves it.
        public var address: UInt64
        /// Bytes of the file.
        public var size: UInt64
        public var isExecutable: Bool
    }

    public let table: UnwindTable
    public let segments: [Segment]
    /// Bytes of what had to be unpacked.
    private let unpacked: Int
    private static let largestUnpacked: UInt64 = 16 << 20
    /// They are searched for each frame; real files have about ten.
    private static let mostSegments = 512

    /// - Parameter source: the whole of a file, or memory that looks the same, as the vdso does.
    /// Nil if it is no ELF file of this machine.
    public init?(_ source: any ByteSource) {
        guard let file = ImageFile(source) else { return nil }
        let segments = Array(file.segments.prefix(Self.mostSegments))
        let frameHeader = file.frameHeader ?? file.section(".eh_frame_hdr")
        var frames = file.section(".eh_frame")
        // The linker's table says where .eh_frame begins, also where a file has lost its section headers.
        if frames == nil, let frameHeader, let start = SortedIndex.frames(frameHeader) {
            frames = segments.first { start >= $0.address && start - $0.address < $0.size }.flatMap {
                file.part($0.offset &+ (start - $0.address), $0.size - (start - $0.address), start)
            }
        }
        let go = (file.section(".gopclntab") ?? file.section(".data.rel.ro.gopclntab")).flatMap {
            GoTable($0, text: file.section(".text")?.address)
        }
        // Go compresses it, and its own table says the same.
        let debugFrames = go == nil ? file.section(".debug_frame", most: Self.largestUnpacked) : nil
        self.segments = segments
        unpacked = debugFrames?.source is HeldBytes ? debugFrames?.count ?? 0 : 0
        table = UnwindTable(
            frameHeader: frameHeader, frames: frames, debugFrames: debugFrames,
            code: segments.filter(\.isExecutable).compactMap { file.part($0.offset, $0.size, $0.address) }, go: go)
    }

    /// About how much memory it takes, in bytes, without what the source keeps.
    public var footprint: Int { table.footprint + unpacked + 1024 }

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
}
