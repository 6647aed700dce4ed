/// Bytes that can be read at any offset: of a section of a file, or of memory.
public protocol ByteSource: AnyObject {
    var count: Int { get }
    /// Copies the bytes from `offset` on, and returns how many there were: fewer than `buffer` holds at the
    /// end, and where they cannot be read. `offset` is at most `count`.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int
}

/// Bytes in memory.
public final class HeldBytes: ByteSource {
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var count: Int { bytes.count }

    public func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard offset >= 0, offset < bytes.count else { return 0 }
        let size = min(buffer.count, bytes.count - offset)
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset ..< offset + size])) }
        return size
    }
}

/// A section of an ELF image, or a segment.
public struct Section {
    /// In the image, before a loader moves it.
    public let address: UInt64
    public let source: any ByteSource

    public init(address: UInt64, source: any ByteSource) {
        self.address = address
        self.source = source
    }

    public init(address: UInt64, bytes: [UInt8]) { self.init(address: address, source: HeldBytes(bytes)) }

    public var count: Int { source.count }

    func contains(_ address: UInt64) -> Bool {
        address >= self.address && address - self.address < UInt64(max(0, count))
    }

    /// As many as there are, at most `count`.
    func bytes(at offset: Int, count: Int) -> [UInt8] {
        guard offset >= 0, offset < self.count, count > 0 else { return [] }
        let wanted = min(count, self.count - offset)
        return [UInt8](unsafeUninitializedCapacity: wanted) { buffer, size in
            size = max(0, min(wanted, source.read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))))
        }
    }

    /// Little-endian, of 1 to 8 bytes; nil if there are not as many.
    func value(at offset: Int, size: Int) -> UInt64? {
        guard offset >= 0, size > 0, size <= 8, offset <= count - size else { return nil }
        var value: UInt64 = 0
        let got = withUnsafeMutableBytes(of: &value) {
            source.read(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<size]))
        }
        return got == size ? UInt64(littleEndian: value) : nil
    }
}
