/// Reads a byte string from front to back. Where it ends early, or a number is too large, `failed` is set
/// and all that is read from then on is 0.
struct Cursor {
    let bytes: [UInt8]
    private(set) var offset: Int
    let end: Int
    private(set) var failed = false

    init(_ bytes: [UInt8], from start: Int = 0, to end: Int? = nil) {
        self.bytes = bytes
        self.end = max(0, min(end ?? bytes.count, bytes.count))
        offset = start
        if start < 0 || start > self.end { fail() }
    }

    var isAtEnd: Bool { offset >= end }
    var remaining: Int { end - offset }

    mutating func fail() {
        failed = true
        offset = end
    }

    mutating func move(to place: Int) {
        if place >= 0, place <= end { offset = place } else { fail() }
    }

    mutating func skip(_ count: UInt64) {
        if count <= UInt64(remaining) { offset += Int(count) } else { fail() }
    }

    mutating func u8() -> UInt8 {
        guard offset < end else {
            fail()
            return 0
        }
        offset += 1
        return bytes[offset - 1]
    }

    /// Little-endian, of 1 to 8 bytes.
    mutating func unsigned(_ size: Int) -> UInt64 {
        guard size > 0, size <= 8, remaining >= size else {
            fail()
            return 0
        }
        var value: UInt64 = 0
        for index in (0 ..< size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
        offset += size
        return value
    }

    /// DWARF's initial length: of the unit behind it, in bytes, and how many bytes offsets have in that unit (4 or 8).
    mutating func initialLength() -> (length: UInt64, offsetSize: Int) {
        let short = unsigned(4)
        return short == 0xffff_ffff ? (unsigned(8), 8) : (short, 4)
    }

    mutating func signed(_ size: Int) -> Int64 {
        let value = unsigned(size)
        let unused = UInt64(64 - 8 * max(1, min(8, size)))
        return Int64(bitPattern: value << unused) >> Int64(unused)
    }

    /// Bits beyond the 64th are lost, and more bytes than hold 64 bits are refused.
    mutating func uleb() -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = u8()
            if failed { return 0 }
            value |= shift < 64 ? UInt64(byte & 0x7f) << shift : 0
            if byte & 0x80 == 0 { return value }
        }
        fail()
        return 0
    }

    mutating func sleb() -> Int64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = u8()
            if failed { return 0 }
            value |= shift < 64 ? UInt64(byte & 0x7f) << shift : 0
            guard byte & 0x80 == 0 else { continue }
            if byte & 0x40 != 0, shift + 7 < 64 { value |= ~UInt64(0) << (shift + 7) }
            return Int64(bitPattern: value)
        }
        fail()
        return 0
    }

    /// A byte string with its length before it.
    mutating func block() -> Range<Int> {
        let length = uleb()
        let start = offset
        skip(length)
        return failed ? end ..< end : start ..< offset
    }
}

/// The encoding of a pointer in .eh_frame (LSB Core, "DWARF Exception Header Encoding").
struct PointerEncoding {
    let byte: UInt8

    static let omitted: UInt8 = 0xff

    var isOmitted: Bool { byte == Self.omitted }
    /// The address of the pointer is written, not the pointer.
    var isIndirect: Bool { byte & 0x80 != 0 && !isOmitted }

    /// Bytes, or nil if it varies or is not known.
    var size: Int? {
        switch byte & 0x0f {
        case 0x00, 0x04, 0x08, 0x0c: 8
        case 0x02, 0x0a: 2
        case 0x03, 0x0b: 4
        default: nil
        }
    }

    /// Reads a pointer. Nil where the bytes end, or where x86-64 does not use the encoding. `address` is the address
    /// of the first byte that `cursor` reads, `data` the base of DW_EH_PE_datarel.
    func read(_ cursor: inout Cursor, address: UInt64, data: UInt64? = nil, function: UInt64? = nil) -> UInt64? {
        guard !isOmitted else { return nil }
        let base: UInt64
        switch byte & 0x70 {
        case 0x00: base = 0
        case 0x10: base = address &+ UInt64(cursor.offset)
        case 0x30:
            guard let data else { return nil }
            base = data
        case 0x40:
            guard let function else { return nil }
            base = function
        default: return nil
        }
        guard let value = readValue(&cursor) else { return nil }
        // A null pointer is null however it is encoded.
        return value == 0 ? 0 : base &+ value
    }

    /// The value as it is written, with nothing added.
    func readValue(_ cursor: inout Cursor) -> UInt64? {
        let value: UInt64
        switch byte & 0x0f {
        case 0x00, 0x04, 0x0c: value = cursor.unsigned(8)
        case 0x01: value = cursor.uleb()
        case 0x02: value = cursor.unsigned(2)
        case 0x03: value = cursor.unsigned(4)
        case 0x08: value = cursor.unsigned(8)
        case 0x09: value = UInt64(bitPattern: cursor.sleb())
        case 0x0a: value = UInt64(bitPattern: cursor.signed(2))
        case 0x0b: value = UInt64(bitPattern: cursor.signed(4))
        default: return nil
        }
        return cursor.failed ? nil : value
    }
}
