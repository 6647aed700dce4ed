/// Unpacks the .xz format with its LZMA2 filter, in which MiniDebugInfo comes (.gnu_debugdata). Check sums are
/// passed over: what is damaged gives wrong names, or none.
public enum XZ {
    /// The unpacked bytes; nil if the data are damaged, have other filters, or would be more than `most` bytes.
    public static func bytes(_ packed: [UInt8], most: Int) -> [UInt8]? {
        guard packed.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), packed.count > 12 else { return nil }
        // Of the check behind each block, by the kind of check.
        let checkSize = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64][Int(packed[7] & 0x0f)]
        var cursor = Cursor(packed, from: 12)
        var decoder = LZMA(most: most)
        while true {
            let start = cursor.offset
            let headerSize = Int(cursor.u8())
            if cursor.failed { return nil }
            if headerSize == 0 { return decoder.out }  // the index
            let flags = cursor.u8()
            guard flags & 0x3f == 0 else { return nil }
            if flags & 0x40 != 0 { _ = cursor.uleb() }
            if flags & 0x80 != 0 { _ = cursor.uleb() }
            guard cursor.uleb() == 0x21, cursor.uleb() == 1 else { return nil }
            _ = cursor.u8()
            cursor.move(to: start + (headerSize + 1) * 4)
            guard !cursor.failed else { return nil }
            let blockStart = cursor.offset
            guard decoder.run(&cursor) else { return nil }
            cursor.skip(UInt64((4 - (cursor.offset - blockStart) % 4) % 4 + checkSize))
        }
    }
}

/// LZMA2: chunks of LZMA, or of bytes as they are.
private struct LZMA {
    private(set) var out: [UInt8] = []
    private let most: Int
    /// Where the dictionary begins in `out`.
    private var dictionary = 0

    private var input: [UInt8] = []
    private var place = 0
    private var inputEnd = 0
    private var range: UInt32 = 0
    private var code: UInt32 = 0
    private var hasEnded = false

    private var probabilities: [UInt16] = []
    private var state = 0
    private var distances = (0, 0, 0, 0)
    private var (contextBits, positionBits, literalBits) = (3, 2, 0)

    init(most: Int) { self.most = most }

    // Where the probabilities of each kind begin.
    private enum At {
        static let isMatch = 0, isRep = 192, isRep0 = 204, isRep1 = 216, isRep2 = 228, isRep0Long = 240
        static let slot = 432, special = 688, align = 804
        static let length = 820, repLength = 1334, literal = 1848
    }

    private mutating func resetState() {
        probabilities = [UInt16](repeating: 1024, count: At.literal + 0x300 << (contextBits + literalBits))
        state = 0
        distances = (0, 0, 0, 0)
    }

    /// All chunks up to the end mark. False if they are damaged.
    mutating func run(_ cursor: inout Cursor) -> Bool {
        input = cursor.bytes
        dictionary = out.count
        var needsProperties = true
        while true {
            let control = cursor.u8()
            guard !cursor.failed else { return false }
            switch control {
            case 0: return true
            case 1, 2:
                if control == 1 { dictionary = out.count }
                let size = (Int(cursor.u8()) << 8 | Int(cursor.u8())) + 1
                guard size <= cursor.remaining, size <= most - out.count else { return false }
                out += cursor.bytes[cursor.offset ..< cursor.offset + size]
                cursor.skip(UInt64(size))
            case 0x80...:
                let size = (Int(control & 0x1f) << 16 | Int(cursor.u8()) << 8 | Int(cursor.u8())) + 1
                let packed = (Int(cursor.u8()) << 8 | Int(cursor.u8())) + 1
                if control >= 0xe0 { dictionary = out.count }
                if control >= 0xc0 {
                    var properties = Int(cursor.u8())
                    guard properties < 225 else { return false }
                    contextBits = properties % 9
                    properties /= 9
                    (literalBits, positionBits) = (properties % 5, properties / 5)
                    guard contextBits + literalBits <= 4 else { return false }
                    needsProperties = false
                }
                if control >= 0xa0 { resetState() }
                guard !needsProperties, !probabilities.isEmpty, !cursor.failed, packed <= cursor.remaining,
                    size <= most - out.count
                else { return false }
                place = cursor.offset
                inputEnd = cursor.offset + packed
                guard chunk(size) else { return false }
                cursor.skip(UInt64(packed))
            default: return false
            }
        }
    }

    private mutating func chunk(_ size: Int) -> Bool {
        guard inputEnd - place >= 5 else { return false }
        range = .max
        code = 0
        for _ in 0 ..< 5 { code = code << 8 | UInt32(nextByte()) }
        let end = out.count + size
        while out.count < end {
            let position = (out.count - dictionary) & (1 << positionBits - 1)
            if bit(At.isMatch + state << 4 + position) == 0 {
                literal()
            } else {
                var length: Int
                if bit(At.isRep + state) == 0 {
                    length = self.length(At.length, position)
                    distances = (distance(length), distances.0, distances.1, distances.2)
                    state = state < 7 ? 7 : 10
                    if distances.0 == 0xffff_ffff { return false }
                } else {
                    length = 0
                    if bit(At.isRep0 + state) == 0 {
                        if bit(At.isRep0Long + state << 4 + position) == 0 {
                            state = state < 7 ? 9 : 11
                            length = 1
                        }
                    } else if bit(At.isRep1 + state) == 0 {
                        distances = (distances.1, distances.0, distances.2, distances.3)
                    } else if bit(At.isRep2 + state) == 0 {
                        distances = (distances.2, distances.0, distances.1, distances.3)
                    } else {
                        distances = (distances.3, distances.0, distances.1, distances.2)
                    }
                    if length == 0 {
                        length = self.length(At.repLength, position)
                        state = state < 7 ? 8 : 11
                    }
                }
                guard distances.0 < out.count - dictionary, length <= end - out.count else { return false }
                for _ in 0 ..< length { out.append(out[out.count - 1 - distances.0]) }
            }
            if hasEnded { return false }
        }
        return true
    }

    // MARK: the range decoder

    private mutating func nextByte() -> UInt8 {
        guard place < inputEnd else {
            hasEnded = true
            return 0
        }
        place += 1
        return input[place - 1]
    }

    private mutating func normalize() {
        guard range < 1 << 24 else { return }
        range <<= 8
        code = code << 8 | UInt32(nextByte())
    }

    private mutating func bit(_ index: Int) -> Int {
        normalize()
        let probability = UInt32(probabilities[index])
        let bound = (range >> 11) * probability
        if code < bound {
            range = bound
            probabilities[index] = UInt16(probability + (2048 - probability) >> 5)
            return 0
        }
        range -= bound
        code -= bound
        probabilities[index] = UInt16(probability - probability >> 5)
        return 1
    }

    private mutating func tree(_ base: Int, _ bits: Int) -> Int {
        var symbol = 1
        for _ in 0 ..< bits { symbol = symbol << 1 | bit(base + symbol) }
        return symbol - 1 << bits
    }

    private mutating func reverseTree(_ base: Int, _ bits: Int) -> Int {
        var (symbol, value) = (1, 0)
        for place in 0 ..< bits {
            let one = bit(base + symbol)
            symbol = symbol << 1 | one
            value |= one << place
        }
        return value
    }

    private mutating func direct(_ bits: Int) -> Int {
        var value = 0
        for _ in 0 ..< bits {
            normalize()
            range >>= 1
            let isOne = code >= range
            if isOne { code -= range }
            value = value << 1 | (isOne ? 1 : 0)
        }
        return value
    }

    // MARK: symbols

    private mutating func literal() {
        let before = out.count > dictionary ? Int(out[out.count - 1]) : 0
        let low = (out.count - dictionary) & (1 << literalBits - 1)
        let base = At.literal + 0x300 * (low << contextBits + before >> (8 - contextBits))
        var symbol = 1
        if state >= 7 {
            guard distances.0 < out.count - dictionary else {
                hasEnded = true
                return
            }
            var match = Int(out[out.count - 1 - distances.0])
            var offset = 0x100
            while symbol < 0x100 {
                match <<= 1
                let matchBit = match & offset
                let one = bit(base + offset + matchBit + symbol)
                symbol = symbol << 1 | one
                offset &= one == 1 ? matchBit : ~matchBit
            }
        } else {
            while symbol < 0x100 { symbol = symbol << 1 | bit(base + symbol) }
        }
        out.append(UInt8(truncatingIfNeeded: symbol))
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
    }

    /// At `base`: two choices, then 8 lengths for each of 16 positions, twice, then 256.
    private mutating func length(_ base: Int, _ position: Int) -> Int {
        if bit(base) == 0 { return 2 + tree(base + 2 + position << 3, 3) }
        if bit(base + 1) == 0 { return 10 + tree(base + 130 + position << 3, 3) }
        return 18 + tree(base + 258, 8)
    }

    private mutating func distance(_ length: Int) -> Int {
        let slot = tree(At.slot + min(length - 2, 3) << 6, 6)
        if slot < 4 { return slot }
        let bits = slot >> 1 - 1
        let base = (2 | slot & 1) << bits
        if slot < 14 { return base + reverseTree(At.special + base - slot, bits) }
        return base + direct(bits - 4) << 4 + reverseTree(At.align, 4)
    }
}
