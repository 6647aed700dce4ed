/// Unpacks what zlib has packed (RFC 1950 and 1951): sections with SHF_COMPRESSED.
enum Inflate {
    /// The unpacked bytes; nil if the data are damaged, or do not hold exactly `size` bytes.
    static func bytes(_ packed: [UInt8], size: Int) -> [UInt8]? {
        guard packed.count > 2, packed[0] & 0x0f == 8, packed[1] & 0x20 == 0, size >= 0 else { return nil }
        var stream = Stream(packed, size)
        do {
            while try !stream.block() {}
        } catch {
            return nil
        }
        return stream.out.count == size ? stream.out : nil
    }

    private struct Damage: Error {}

    /// A canonical Huffman code: how many words have each length, and the symbols in the order of their words.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        init(_ lengths: ArraySlice<UInt8>) throws(Damage) {
            symbols = [Int](repeating: 0, count: lengths.count)
            for length in lengths { counts[Int(length)] += 1 }
            counts[0] = 0
            var left = 1
            for length in 1 ... 15 {
                left = 2 * left - counts[length]
                guard left >= 0 else { throw Damage() }
            }
            var places = [Int](repeating: 0, count: 16)
            for length in 1 ..< 15 { places[length + 1] = places[length] + counts[length] }
            for (symbol, length) in lengths.enumerated() where length != 0 {
                symbols[places[Int(length)]] = symbol
                places[Int(length)] += 1
            }
        }
    }

    private struct Stream {
        private let packed: [UInt8]
        private let size: Int
        private var offset = 2
        private var bits: UInt32 = 0
        private var bitCount: UInt32 = 0
        private(set) var out: [UInt8] = []

        init(_ packed: [UInt8], _ size: Int) {
            self.packed = packed
            self.size = size
        }

        private mutating func take(_ count: UInt32) throws(Damage) -> Int {
            while bitCount < count {
                guard offset < packed.count else { throw Damage() }
                bits |= UInt32(packed[offset]) << bitCount
                bitCount += 8
                offset += 1
            }
            let value = bits & ((1 << count) - 1)
            bits >>= count
            bitCount -= count
            return Int(value)
        }

        private mutating func symbol(_ code: Code) throws(Damage) -> Int {
            var (word, first, index) = (0, 0, 0)
            for length in 1 ... 15 {
                word |= try take(1)
                let count = code.counts[length]
                if word - count < first { return code.symbols[index + (word - first)] }
                index += count
                first = (first + count) << 1
                word <<= 1
            }
            throw Damage()
        }

        /// Returns whether it was the last one.
        mutating func block() throws(Damage) -> Bool {
            let isLast = try take(1) == 1
            switch try take(2) {
            case 0:
                (bits, bitCount) = (0, 0)
                guard offset + 4 <= packed.count else { throw Damage() }
                let length = Int(packed[offset]) | Int(packed[offset + 1]) << 8
                offset += 4
                guard length <= packed.count - offset, length <= size - out.count else { throw Damage() }
                out += packed[offset ..< offset + length]
                offset += length
            case 1:
                var lengths = [UInt8](repeating: 8, count: 288)
                for index in 144 ..< 256 { lengths[index] = 9 }
                for index in 256 ..< 280 { lengths[index] = 7 }
                try codes(Code(lengths[...]), Code([UInt8](repeating: 5, count: 30)[...]))
            case 2: try dynamic()
            default: throw Damage()
            }
            return isLast
        }

        private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

        private mutating func dynamic() throws(Damage) {
            let literals = try take(5) + 257
            let distances = try take(5) + 1
            let count = try take(4) + 4
            guard literals <= 286, distances <= 30 else { throw Damage() }
            var short = [UInt8](repeating: 0, count: 19)
            for index in 0 ..< count { short[Self.order[index]] = UInt8(try take(3)) }
            let code = try Code(short[...])
            var lengths: [UInt8] = []
            while lengths.count < literals + distances {
                let symbol = try symbol(code)
                var (repeated, times) = (UInt8(0), 1)
                switch symbol {
                case ..<16: repeated = UInt8(symbol)
                case 16:
                    guard let last = lengths.last else { throw Damage() }
                    (repeated, times) = (last, 3 + (try take(2)))
                case 17: times = 3 + (try take(3))
                default: times = 11 + (try take(7))
                }
                guard lengths.count + times <= literals + distances else { throw Damage() }
                lengths += [UInt8](repeating: repeated, count: times)
            }
            try codes(Code(lengths[..<literals]), Code(lengths[literals...]))
        }

        private static let lengthBase = [
            3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
        ]
        private static let lengthBits: [UInt32] = [
            0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
        ]

        private mutating func codes(_ literals: Code, _ distances: Code) throws(Damage) {
            while true {
                let literal = try symbol(literals)
                if literal == 256 { return }
                if literal < 256 {
                    guard out.count < size else { throw Damage() }
                    out.append(UInt8(literal))
                    continue
                }
                guard literal - 257 < Self.lengthBase.count else { throw Damage() }
                let length = Self.lengthBase[literal - 257] + (try take(Self.lengthBits[literal - 257]))
                let symbol = try symbol(distances)
                guard symbol < 30 else { throw Damage() }
                let extra = UInt32(symbol < 2 ? 0 : symbol / 2 - 1)
                let base = symbol < 2 ? symbol + 1 : (2 + symbol % 2) << Int(extra) + 1
                let distance = base + (try take(extra))
                guard distance <= out.count, length <= size - out.count else { throw Damage() }
                for _ in 0 ..< length { out.append(out[out.count - distance]) }
            }
        }
    }
}
