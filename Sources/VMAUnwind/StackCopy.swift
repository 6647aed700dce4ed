/// A copy of a part of a thread's stack. It holds whatever the program had there, so whoever made it
/// clears it after the walk; nothing here keeps it.
public struct StackCopy {
    /// The address in the process of the first byte.
    public let base: UInt64
    /// Valid only as long as the owner says.
    public let bytes: UnsafeRawBufferPointer

    public init(base: UInt64, bytes: UnsafeRawBufferPointer) {
        self.base = base
        self.bytes = bytes
    }

    /// The address behind the last byte.
    public var end: UInt64 { base &+ UInt64(bytes.count) }

    /// Little-endian, of 1 to 8 bytes; nil if a byte of it was not copied.
    func value(at address: UInt64, size: Int = 8) -> UInt64? {
        guard address >= base, address - base <= UInt64(bytes.count), size > 0, size <= 8 else { return nil }
        let offset = Int(address - base)
        guard offset + size <= bytes.count else { return nil }
        if size == 8 { return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        var value: UInt64 = 0
        for index in (0 ..< size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
        return value
    }
}
