/// Calls of x86-64, recognized from behind.
enum CallInstruction {
    /// Bytes that are looked at: the longest form of an indirect call, with a prefix.
    static let longest = 8

    /// Whether the last bytes can be a call. Other instructions can end the same way, so "no" is certain and
    /// "yes" is not.
    static func ends(_ bytes: [UInt8]) -> Bool {
        let count = bytes.count
        // call rel32
        if count >= 5, bytes[count - 5] == 0xe8 { return true }
        // call r/m64 is ff /2: with ModRM, maybe SIB, and 0, 1 or 4 bytes of displacement.
        for length in 2 ... 7 where count >= length {
            guard bytes[count - length] == 0xff else { continue }
            let form = bytes[count - length + 1]
            guard form >> 3 & 7 == 2 else { continue }
            let (mode, base) = (form >> 6, form & 7)
            var size = 2
            if mode != 3, base == 4 {
                size += 1
                if mode == 0, length >= 3, bytes[count - length + 2] & 7 == 5 { size += 4 }
            } else if mode == 0, base == 5 {
                size += 4
            }
            if mode == 1 { size += 1 }
            if mode == 2 { size += 4 }
            if size == length { return true }
        }
        return false
    }
}
