import VMAUnwind

/// A stack to be unwound: the registers with which a thread entered the kernel, a copy of its stack, and where
/// the code lies that the words of the copy may point to.
struct UnwindRequest: Equatable {
    struct Mapping: Equatable {
        var start, end: UInt64
        /// The offset of `start` in the file.
        var fileOffset: UInt64
        /// The key of the file; 0 if there is none, or it could not be opened.
        var key: UInt32
    }

    /// The registers, by their index in `vme_register`.
    var registers: InlineArray<8, UInt64> = InlineArray(repeating: 0)
    /// A part of the copy: bytes from the stack pointer to it, and bytes of it. What lies between the parts is unknown.
    struct Piece: Equatable {
        var offset, count: Int
        var end: Int { offset + count }
    }
    var pieces: [Piece] = []
    /// A part of another stack: where it is, and bytes of it, which is a multiple of 8.
    struct Other: Equatable {
        var address: UInt64 = 0
        var count = 0
    }
    var other = Other()
    /// Executable ones, in the order of their addresses.
    var mappings: [Mapping] = []
    /// What the kernel found by frame pointers; may be empty.
    var chain: [UInt64] = []
    /// The bytes of the parts, one behind the other, and of the other stack.
    var bytes: [UInt8] = []

    static let mappingLimit = 512
    /// Bytes from the stack pointer on, of another stack, and those and of a part behind the first.
    static let nearLimit = 1 << 18
    static let otherLimit = 1 << 14
    static let byteLimit = nearLimit + 1 << 14 + otherLimit
    static let pieceLimit = 64
    static let chainLimit = 128

    static func == (one: UnwindRequest, other: UnwindRequest) -> Bool {
        one.registers.indices.allSatisfy { one.registers[$0] == other.registers[$0] } && one.pieces == other.pieces
            && one.other == other.other && one.mappings == other.mappings && one.chain == other.chain && one.bytes == other.bytes
    }
}

/// The result of unwinding.
struct UnwindReply: Equatable {
    var ending = Unwound.Ending.unknown
    var frames: [Unwound.Frame] = []
    var inputs: [UInt16] = []
    /// Files that the unwinder does not have any more.
    var lacking: [UInt32] = []
    /// The frame-pointer chain was not at hand, and would lead on.
    var wantsChain = false

    static let frameLimit = 512
    static let inputLimit = 4096
}

/// The messages between the observer and the unwinder: kinds from 16 on of `HelperMessage`.
enum UnwindMessage: Equatable {
    /// Bytes; no message has more.
    static let limit = UnwindRequest.byteLimit + 32 * UnwindRequest.mappingLimit + 8192

    case unwind(id: UInt32, UnwindRequest)
    case unwound(id: UInt32, UnwindReply)

    init?(_ bytes: [UInt8]) {
        var reader = MessageReader(bytes)
        guard let (kind, id) = reader.head() else { return nil }
        switch kind {
        case 16:
            guard let request = UnwindRequest(&reader) else { return nil }
            self = .unwind(id: id, request)
        case 17:
            guard let reply = UnwindReply(&reader) else { return nil }
            self = .unwound(id: id, reply)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }

    var bytes: [UInt8] {
        var writer = MessageWriter(capacity: capacity)
        switch self {
        case .unwind(let id, let request):
            writer.head(16, id)
            request.write(&writer)
        case .unwound(let id, let reply):
            writer.head(17, id)
            reply.write(&writer)
        }
        return writer.all
    }
}

extension UnwindMessage {
    /// More bytes than any has.
    private var capacity: Int {
        switch self {
        case .unwind(_, let request): 4096 + request.bytes.count + request.mappings.count * 32
        case .unwound(_, let reply): 1024 + reply.frames.count * 16 + reply.inputs.count * 2 + reply.lacking.count * 4
        }
    }
}

extension UnwindRequest {
    fileprivate func write(_ writer: inout MessageWriter) {
        for index in registers.indices { writer.number(registers[index]) }
        writer.number(UInt16(pieces.count))
        for piece in pieces {
            writer.number(UInt32(piece.offset))
            writer.number(UInt32(piece.count))
        }
        writer.number(other.address)
        writer.number(UInt32(other.count))
        writer.number(UInt16(mappings.count))
        for mapping in mappings {
            writer.number(mapping.start)
            writer.number(mapping.end)
            writer.number(mapping.fileOffset)
            writer.number(mapping.key)
        }
        writer.number(UInt16(chain.count))
        for address in chain { writer.number(address) }
        writer.number(UInt32(bytes.count))
        bytes.withUnsafeBytes { writer.append($0) }
    }

    fileprivate init?(_ reader: inout MessageReader) {
        for index in registers.indices {
            guard let value = reader.number(UInt64.self) else { return nil }
            registers[index] = value
        }
        guard let count = reader.number(UInt16.self), count <= Self.pieceLimit else { return nil }
        var sum = 0
        for _ in 0 ..< count {
            guard let offset = reader.number(UInt32.self), let size = reader.number(UInt32.self),
                Int(offset) >= pieces.last?.end ?? 0
            else { return nil }
            pieces.append(Piece(offset: Int(offset), count: Int(size)))
            sum += Int(size)
        }
        guard let address = reader.number(UInt64.self), let otherCount = reader.number(UInt32.self),
            otherCount <= Self.otherLimit, address <= .max - UInt64(otherCount)
        else { return nil }
        other = Other(address: address, count: Int(otherCount))
        sum += Int(otherCount)
        guard let mappingCount = reader.number(UInt16.self), mappingCount <= Self.mappingLimit else { return nil }
        for _ in 0 ..< mappingCount {
            guard let start = reader.number(UInt64.self), let end = reader.number(UInt64.self), start < end,
                start >= mappings.last?.end ?? 0, let offset = reader.number(UInt64.self), let key = reader.number(UInt32.self)
            else { return nil }
            mappings.append(Mapping(start: start, end: end, fileOffset: offset, key: key))
        }
        guard let chainCount = reader.number(UInt16.self), chainCount <= Self.chainLimit else { return nil }
        for _ in 0 ..< chainCount {
            guard let address = reader.number(UInt64.self) else { return nil }
            chain.append(address)
        }
        guard let size = reader.number(UInt32.self), size <= Self.byteLimit, sum == size, let all = reader.take(Int(size)) else {
            return nil
        }
        bytes = all
    }
}

extension UnwindReply {
    fileprivate func write(_ writer: inout MessageWriter) {
        let (number, wanted): (UInt8, Int?) =
            switch ending {
            case .complete: (0, nil)
            case .cut(let wanted): (1, wanted)
            case .unknown: (2, nil)
            case .limit: (3, nil)
            }
        writer.number(number | (wantsChain ? 4 : 0))
        writer.number(wanted.map { UInt32(clamping: $0) } ?? .max)
        writer.number(UInt16(min(frames.count, Self.frameLimit)))
        for frame in frames.prefix(Self.frameLimit) {
            writer.number(frame.address)
            let kind: UInt8 =
                switch frame.kind {
                case .innermost: 0
                case .caller: 1
                case .interrupted: 2
                }
            writer.number(kind | (frame.isGuessed ? 4 : 0))
        }
        writer.number(UInt16(min(inputs.count, Self.inputLimit)))
        for input in inputs.prefix(Self.inputLimit) { writer.number(input) }
        writer.number(UInt16(clamping: lacking.count))
        for key in lacking.prefix(Int(UInt16.max)) { writer.number(key) }
    }

    fileprivate init?(_ reader: inout MessageReader) {
        guard let number = reader.number(UInt8.self), number < 8, let wanted = reader.number(UInt32.self) else { return nil }
        wantsChain = number & 4 != 0
        switch number & 3 {
        case 0: ending = .complete
        case 1: ending = .cut(wanted: wanted == .max ? nil : Int(wanted))
        case 2: ending = .unknown
        default: ending = .limit
        }
        guard let count = reader.number(UInt16.self), count <= Self.frameLimit else { return nil }
        for _ in 0 ..< count {
            guard let address = reader.number(UInt64.self), let state = reader.number(UInt8.self), state & 3 < 3 else {
                return nil
            }
            let kind: Unwound.Frame.Kind = state & 3 == 0 ? .innermost : state & 3 == 1 ? .caller : .interrupted
            frames.append(Unwound.Frame(address: address, kind: kind, isGuessed: state & 4 != 0))
        }
        guard let inputCount = reader.number(UInt16.self), inputCount <= Self.inputLimit else { return nil }
        for _ in 0 ..< inputCount {
            guard let input = reader.number(UInt16.self) else { return nil }
            inputs.append(input)
        }
        guard let lackingCount = reader.number(UInt16.self), lackingCount <= UnwindRequest.mappingLimit else { return nil }
        for _ in 0 ..< lackingCount {
            guard let key = reader.number(UInt32.self) else { return nil }
            lacking.append(key)
        }
    }
}
