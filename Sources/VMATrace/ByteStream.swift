/// The bytes of a recording, being written or read: the same calls do both, so that one description
/// (TraceCodec.swift) serves for writing and reading.
///
/// A reader that finds damage notes it, and gives zeros from then on.
protocol ByteStream {
    static var isReader: Bool { get }
    /// The first damage, in words; always nil when writing.
    var damage: String? { get }
    /// Bytes that can still be read; no bound when writing.
    var remaining: Int { get }

    mutating func byte(_ value: inout UInt8)
    /// Seven bits a byte, lowest first, the eighth says that more follow (LEB128).
    mutating func number(_ value: inout UInt64)
    /// A string: its length and UTF-8.
    mutating func text(_ value: inout String)
    mutating func fail(_ what: String)
}

struct ByteWriter: ByteStream {
    static var isReader: Bool { false }
    private(set) var bytes: [UInt8] = []
    var damage: String? { nil }
    var remaining: Int { .max }

    mutating func byte(_ value: inout UInt8) { bytes.append(value) }

    mutating func number(_ value: inout UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func text(_ value: inout String) {
        var count = UInt64(value.utf8.count)
        number(&count)
        bytes.append(contentsOf: value.utf8)
    }

    mutating func fail(_ what: String) {}

    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}

struct ByteReader: ByteStream {
    static var isReader: Bool { true }
    private let bytes: [UInt8]
    private var next = 0
    private(set) var damage: String?

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var remaining: Int { bytes.count - next }

    mutating func byte(_ value: inout UInt8) {
        guard damage == nil, next < bytes.count else {
            value = 0
            return fail("a block ends within an event")
        }
        value = bytes[next]
        next += 1
    }

    mutating func number(_ value: inout UInt64) {
        // Most numbers take one byte.
        if next < bytes.count, bytes[next] < 0x80 {
            value = UInt64(bytes[next])
            next += 1
            return
        }
        value = 0
        var shift: UInt64 = 0
        var part: UInt8 = 0
        repeat {
            byte(&part)
            guard shift < 63 || part <= 1 else {
                value = 0
                return fail("a number of more than 64 bits")
            }
            value |= UInt64(part & 0x7f) << shift
            shift += 7
        } while part & 0x80 != 0
    }

    mutating func text(_ value: inout String) {
        var count: UInt64 = 0
        number(&count)
        value = ""
        guard count <= remaining else { return fail("a text longer than the rest of the block") }
        value = String(decoding: bytes[next ..< next + Int(count)], as: UTF8.self)
        next += Int(count)
    }

    mutating func fail(_ what: String) {
        damage = damage ?? what
        next = bytes.count
    }
}

extension ByteStream {
    /// A value near another one, or whole pages from it: addresses, lengths, times, ids.
    mutating func value(_ value: inout UInt64, near base: UInt64) {
        // Lowest bit set: a distance in pages. `.max`: the value itself follows.
        let distance = Int64(bitPattern: value &- base)
        var code = UInt64.max
        if distance & 0xfff == 0 {
            code = Self.zigzag(distance >> 12) << 1 | 1
        } else if distance.magnitude < 1 << 60 {
            code = Self.zigzag(distance) << 1
        }
        number(&code)
        if code == .max {
            number(&value)
        } else if Self.isReader {
            let distance = Self.unzigzag(code >> 1)
            value = base &+ UInt64(bitPattern: code & 1 != 0 ? distance << 12 : distance)
        }
    }

    mutating func number32(_ value: inout UInt32) {
        var wide = UInt64(value)
        number(&wide)
        if wide > UInt32.max { fail("an id of more than 32 bits") }
        value = UInt32(truncatingIfNeeded: wide)
    }

    /// How many items follow. Each takes at least `bits` bits, so there can't be more than are left.
    mutating func count(_ count: Int, bits: Int) -> Int {
        var wide = UInt64(count)
        number(&wide)
        guard !Self.isReader || wide <= UInt64(remaining) * 8 / UInt64(bits) else {
            fail("a list longer than the rest of the block")
            return 0
        }
        return Int(wide)
    }

    mutating func flag(_ value: inout Bool) {
        var byte: UInt8 = value ? 1 : 0
        self.byte(&byte)
        if byte > 1 { fail("a flag that is neither 0 nor 1") }
        value = byte == 1
    }

    /// Maps numbers near 0, above or below, to small numbers.
    private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

    private static func unzigzag(_ code: UInt64) -> Int64 {
        Int64(bitPattern: code >> 1) ^ -Int64(bitPattern: code & 1)
    }
}
