import VMACore

/// Turns events into the bytes of a recording, a block at a time.
public struct TraceWriter {
    private var codec = TraceCodec(ByteWriter())
    /// The number of events in the block that is being filled.
    public private(set) var pendingEvents = 0
    public var pendingBytes: Int { codec.stream.bytes.count }

    public init() {}

    /// The beginning of a recording: signature, version and header.
    public static func start(_ header: TraceHeader) -> [UInt8] {
        var header = header
        var stream = ByteWriter()
        stream.header(&header)
        return TraceFormat.signature + TraceFormat.bytes(TraceFormat.version) + block(.header, 0, stream.bytes)
    }

    /// The end of a recording that was not cut off.
    public static func end(_ end: TraceEnd) -> [UInt8] {
        var end = end
        var stream = ByteWriter()
        stream.end(&end)
        return block(.end, 0, stream.bytes)
    }

    public mutating func append(_ event: Event) {
        codec.write(event)
        pendingEvents += 1
    }

    /// The events since the last call as a block; empty if there are none.
    public mutating func takeBlock() -> [UInt8] {
        guard pendingEvents > 0 else { return [] }
        defer {
            codec.stream.removeAll()
            pendingEvents = 0
        }
        return Self.block(.events, pendingEvents, codec.stream.bytes)
    }

    private static func block(_ kind: TraceFormat.Block, _ events: Int, _ payload: [UInt8]) -> [UInt8] {
        let head = TraceFormat.bytes(kind.rawValue, UInt32(payload.count), UInt32(events))
        return head + TraceFormat.bytes(Checksum.of(head, payload)) + payload
    }
}
