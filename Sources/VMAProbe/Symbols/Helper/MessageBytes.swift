/// The head of each message: a version, which is one for all, since who talks is one executable; the kind; and the id of
/// what it is about.
enum MessageHead {
    static let version: UInt8 = 1
}

/// Puts numbers and texts into a message, little endian.
struct MessageWriter {
    private(set) var all: [UInt8] = []

    /// - Parameter capacity: bytes that it has room for without being moved, which leaves a copy behind.
    init(capacity: Int = 0) { all.reserveCapacity(capacity) }

    mutating func head(_ kind: UInt8, _ id: UInt32) {
        number(MessageHead.version)
        number(kind)
        number(id)
    }

    mutating func number<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.littleEndian) { all.append(contentsOf: $0) }
    }

    /// As they are.
    mutating func append(_ bytes: UnsafeRawBufferPointer) { all.append(contentsOf: bytes) }

    /// Behind their length.
    mutating func bytes(_ value: some Collection<UInt8>) {
        number(UInt16(clamping: value.count))
        all.append(contentsOf: value.prefix(Int(UInt16.max)))
    }
}

/// Takes them out. Nil where a message ends early.
struct MessageReader {
    private let all: [UInt8]
    private var at = 0

    init(_ bytes: [UInt8]) { all = bytes }

    var isAtEnd: Bool { at == all.count }

    /// Nil for a message of another version, too.
    mutating func head() -> (kind: UInt8, id: UInt32)? {
        guard number(UInt8.self) == MessageHead.version, let kind = number(UInt8.self), let id = number(UInt32.self) else {
            return nil
        }
        return (kind, id)
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard all.count - at >= size else { return nil }
        defer { at += size }
        return all.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Number.self)) }
    }

    mutating func bytes() -> [UInt8]? { number(UInt16.self).flatMap { take(Int($0)) } }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count <= all.count - at else { return nil }
        defer { at += count }
        return Array(all[at ..< at + count])
    }

    mutating func text() -> String? { bytes().map { String(decoding: $0, as: UTF8.self) } }
}
