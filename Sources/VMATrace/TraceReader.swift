import VMACore

/// Why a recording can't be read, or not to its end.
public enum TraceError: Error, Equatable {
    case empty
    case foreign
    case newer(version: UInt32)
    /// The recording ends in the middle of a block, or without an end block; `at` is where the last whole block ends.
    case cut(at: Int)
    /// The block at `at` bytes differs from what was written, or makes no sense.
    case damaged(at: Int, String)

    public var message: String {
        switch self {
        case .empty: "is empty"
        case .foreign: "is not a recording of vmascope"
        case .newer(let version):
            "has version \(version) of the format, and this vmascope reads \(TraceFormat.version): use a newer vmascope"
        case .cut(let at): "is cut off after \(at) bytes"
        case .damaged(let at, let what): "is damaged at byte \(at): \(what)"
        }
    }
}

/// Turns the bytes of a recording into its events. Holds one block at a time, and the format's memory of earlier
/// blocks (`TraceMemory`), so its own memory is bounded by the size of the file.
public struct TraceReader {
    /// Returns up to so many bytes; none only at the end.
    public typealias Source = (_ atMost: Int) throws -> [UInt8]

    public let header: TraceHeader
    /// The end block, once it has been read.
    public private(set) var end: TraceEnd?
    private let source: Source
    /// Where the next block begins.
    private var offset: Int
    private var codec = TraceCodec(ByteReader([]))

    /// Whether a file that begins with these bytes is meant to be a recording, damaged or not.
    public static func isRecording(_ start: [UInt8]) -> Bool { start.first == TraceFormat.signature[0] }

    /// - Throws: `TraceError`, or what `source` does.
    public init(_ source: @escaping Source) throws {
        self.source = source
        let start = try Self.take(TraceFormat.startSize, from: source)
        guard !start.isEmpty else { throw TraceError.empty }
        guard start.starts(with: TraceFormat.signature.prefix(start.count)) else { throw TraceError.foreign }
        guard start.count == TraceFormat.startSize else { throw TraceError.cut(at: 0) }
        let version = TraceFormat.value(start, at: TraceFormat.signature.count)
        guard version <= TraceFormat.version else { throw TraceError.newer(version: version) }
        guard version > 0 else { throw TraceError.damaged(at: 8, "there is no version 0 of the format") }
        offset = start.count
        guard let block = try Self.block(at: &offset, from: source) else { throw TraceError.cut(at: start.count) }
        guard block.kind == TraceFormat.Block.header.rawValue else {
            throw TraceError.damaged(at: start.count, "no header at the start")
        }
        header = try Self.header(block)
    }

    /// Gives the events of the next block, up to the first that makes no sense. Returns false when the end block has
    /// been read.
    public mutating func next(_ body: (Event) throws -> Void) throws -> Bool {
        guard end == nil else { return false }
        let start = offset
        guard let block = try Self.block(at: &offset, from: source) else { throw TraceError.cut(at: start) }
        switch TraceFormat.Block(rawValue: block.kind) {
        case nil: break
        case .header: throw TraceError.damaged(at: start, "a second header")
        case .end:
            end = try Self.end(block)
            guard try source(1).isEmpty else { throw TraceError.damaged(at: offset, "data after the end") }
        case .events:
            codec.stream = ByteReader(block.payload)
            for _ in 0 ..< block.events {
                guard let event = codec.read() else { break }
                try body(event)
            }
            if let damage = codec.stream.damage { throw TraceError.damaged(at: start, damage) }
            guard codec.stream.remaining == 0 else { throw TraceError.damaged(at: start, "data after the last event of a block") }
        }
        return true
    }

    // MARK: blocks

    private struct Block {
        var start: Int
        var kind: UInt32
        var events: UInt32
        var payload: [UInt8]
    }

    /// The next whole block, or nil if the bytes end before it does.
    private static func block(at offset: inout Int, from source: Source) throws -> Block? {
        let head = try take(TraceFormat.headSize, from: source)
        guard head.count == TraceFormat.headSize else { return nil }
        let size = Int(TraceFormat.value(head, at: 4))
        let payload = try take(size, from: source)
        guard payload.count == size else { return nil }
        guard Checksum.of(Array(head[..<12]), payload) == TraceFormat.value(head, at: 12) else {
            throw TraceError.damaged(at: offset, "the checksum does not match")
        }
        defer { offset += head.count + size }
        return Block(
            start: offset, kind: TraceFormat.value(head, at: 0), events: TraceFormat.value(head, at: 8), payload: payload)
    }

    /// Reads so many bytes, or fewer if there are no more. Takes no more memory than there are bytes, whatever a
    /// block's head says.
    private static func take(_ count: Int, from source: Source) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try source(min(count - bytes.count, 1 << 18))
            if part.isEmpty { break }
            if bytes.isEmpty { bytes = part } else { bytes += part }
        }
        return bytes
    }

    private static func header(_ block: Block) throws -> TraceHeader {
        var header = TraceHeader(
            toolVersion: "", kernel: "", source: "",
            model: KernelModel(anonVMARule: .neighbour, hole: .prev, close: .any), isHooked: false, waits: false,
            started: "", startTime: 0, mapLimit: nil, hasStacks: false)
        var stream = ByteReader(block.payload)
        stream.header(&header)
        if stream.remaining > 0 { stream.fail("the header has more than this version knows") }
        if let damage = stream.damage { throw TraceError.damaged(at: block.start, damage) }
        return header
    }

    private static func end(_ block: Block) throws -> TraceEnd {
        var end = TraceEnd(time: 0)
        var stream = ByteReader(block.payload)
        stream.end(&end)
        if let damage = stream.damage { throw TraceError.damaged(at: block.start, damage) }
        return end
    }
}
