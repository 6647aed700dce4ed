/// A message of protocol buffers, read without its definition: fields by number, in their order.
package struct ProtobufMessage {
    package enum Value {
        case number(UInt64)
        case bytes([UInt8])
    }

    package let fields: [(number: Int, value: Value)]

    /// Nil if these bytes are no message.
    package init?(_ bytes: [UInt8]) {
        var fields: [(Int, Value)] = []
        var at = 0
        func varint() -> UInt64? {
            var (value, shift) = (UInt64(0), UInt64(0))
            while at < bytes.count, shift < 64 {
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        while at < bytes.count {
            guard let tag = varint(), tag >> 3 > 0 else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = varint() else { return nil }
                fields.append((Int(tag >> 3), .number(value)))
            case 2:
                guard let size = varint(), size <= UInt64(bytes.count - at) else { return nil }
                fields.append((Int(tag >> 3), .bytes(Array(bytes[at ..< at + Int(size)]))))
                at += Int(size)
            default: return nil
            }
        }
        self.fields = fields
    }

    package func number(_ field: Int) -> UInt64? {
        for case (field, .number(let value)) in fields { return value }
        return nil
    }

    package func messages(_ field: Int) -> [ProtobufMessage] {
        bytes(field).compactMap { ProtobufMessage($0) }
    }

    package func strings(_ field: Int) -> [String] { bytes(field).map { String(decoding: $0, as: UTF8.self) } }

    /// Numbers that are packed.
    package func packed(_ field: Int) -> [UInt64] {
        bytes(field).flatMap { bytes in
            var (numbers, value, shift): ([UInt64], UInt64, UInt64) = ([], 0, 0)
            for byte in bytes {
                value |= UInt64(byte & 0x7f) << shift
                shift += 7
                if byte < 0x80 {
                    numbers.append(value)
                    (value, shift) = (0, 0)
                }
            }
            return numbers
        }
    }

    private func bytes(_ field: Int) -> [[UInt8]] {
        fields.compactMap { number, value in
            if case .bytes(let bytes) = value, number == field { bytes } else { nil }
        }
    }
}
