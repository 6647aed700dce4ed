/// Writes messages of protocol buffers: fields in the order of the calls.
struct Protobuf {
    private(set) var bytes: [UInt8] = []

    var isEmpty: Bool { bytes.isEmpty }

    /// Bytes beyond which `flush` writes.
    private static let part = 1 << 16

    /// Writes what there is and forgets it, once that is much.
    ///
    /// - Parameter all: however little it is.
    mutating func flush(_ write: ([UInt8]) throws -> Void, all: Bool) throws {
        guard all || bytes.count > Self.part else { return }
        try write(bytes)
        removeAll()
    }

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// A field of an integer type, `bool` or an enumeration.
    mutating func field(_ number: Int, _ value: UInt64) {
        varint(UInt64(number) << 3)
        varint(value)
    }

    mutating func field(_ number: Int, _ value: Int) { field(number, UInt64(bitPattern: Int64(value))) }
    mutating func field(_ number: Int, _ value: UInt32) { field(number, UInt64(value)) }

    mutating func field(_ number: Int, _ text: String) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(text.utf8.count))
        bytes += text.utf8
    }

    /// A field that is a message, or packed numbers.
    mutating func field(_ number: Int, _ body: Protobuf) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(body.bytes.count))
        bytes += body.bytes
    }

    mutating func message(_ number: Int, _ write: (inout Protobuf) -> Void) {
        var body = Protobuf()
        write(&body)
        field(number, body)
    }

    mutating func packed(_ number: Int, _ values: [UInt64]) {
        var body = Protobuf()
        for value in values { body.varint(value) }
        field(number, body)
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}
