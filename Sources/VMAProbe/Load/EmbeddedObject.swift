import VMAUnwind

/// A build of the BPF programs as the executable contains it: an .xz file, in base64.
struct EmbeddedObject: Sendable {
    /// The size of the ELF file in bytes.
    var bytes: Int
    var text: StaticString

    /// The ELF file. It is not kept: libbpf has its own copy of what it needs, once the object is open.
    var elf: [UInt8] {
        guard let elf = XZ.bytes(text.withUTF8Buffer(Self.decoded), most: bytes), elf.count == bytes else {
            preconditionFailure("the executable's BPF object is damaged")
        }
        return elf
    }

    private static func decoded(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var values = [UInt8](repeating: 64, count: 256)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, character) in alphabet.utf8.enumerated() { values[Int(character)] = UInt8(value) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        for character in text {
            let value = values[Int(character)]
            guard value < 64 else { continue }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }
}
