@testable import VMAUnwind

/// Writes call-frame information, as an assembler does.
struct Frames {
    private(set) var bytes: [UInt8] = []
    /// Of the section in its image.
    var address: UInt64 = 0x40_0000
    var isDebugFrame = false
    /// (start, offset of the FDE), for the sorted table.
    private(set) var places: [(UInt64, Int)] = []

    static func uleb(_ value: UInt64) -> [UInt8] {
        var (value, bytes) = (value, [UInt8]())
        repeat {
            let rest = value >> 7
            bytes.append(UInt8(value & 0x7f) | (rest == 0 ? 0 : 0x80))
            value = rest
        } while value != 0
        return bytes
    }

    static func sleb(_ value: Int64) -> [UInt8] {
        var (value, bytes) = (value, [UInt8]())
        while true {
            let byte = UInt8(truncatingIfNeeded: value) & 0x7f
            value >>= 7
            let isLast = value == 0 && byte & 0x40 == 0 || value == -1 && byte & 0x40 != 0
            bytes.append(byte | (isLast ? 0 : 0x80))
            if isLast { return bytes }
        }
    }

    static func little(_ value: UInt64, _ size: Int) -> [UInt8] {
        (0 ..< size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    private mutating func append(_ id: UInt64, _ body: [UInt8]) {
        let padding = (4 - body.count % 4) % 4
        bytes += Self.little(UInt64(4 + body.count + padding), 4) + Self.little(id, 4) + body
        bytes += [UInt8](repeating: 0, count: padding)  // nops
    }

    /// The CFA is rsp+8 and the return address lies below it, as at each function's first instruction.
    static let atEntry: [UInt8] = [0x0c, 7, 8, 0x80 | 16, 1]

    /// Returns the offset of the CIE. Pointers are pc-relative in four bytes, in .debug_frame absolute.
    @discardableResult
    mutating func common(_ augmentation: String? = nil, _ instructions: [UInt8] = Frames.atEntry) -> Int {
        let offset = bytes.count
        let letters = augmentation ?? (isDebugFrame ? "" : "zR")
        var data: [UInt8] = []
        for letter in letters.utf8 {
            switch letter {
            case UInt8(ascii: "R"): data.append(0x1b)
            case UInt8(ascii: "P"): data += [0x9b, 1, 2, 3, 4]
            case UInt8(ascii: "L"): data.append(0x1b)
            default: break
            }
        }
        var body: [UInt8] = [1] + Array(letters.utf8) + [0, 1] + Self.sleb(-8) + [16]
        if letters.hasPrefix("z") { body += Self.uleb(UInt64(data.count)) + data }
        append(isDebugFrame ? 0xffff_ffff : 0, body + instructions)
        return offset
    }

    mutating func function(
        _ start: UInt64, _ size: UInt64, common: Int = 0, augmentation: [UInt8]? = [], _ instructions: [UInt8] = []
    ) {
        let offset = bytes.count
        places.append((start, offset))
        if isDebugFrame {
            append(UInt64(common), Self.little(start, 8) + Self.little(size, 8) + instructions)
            return
        }
        let field = address &+ UInt64(offset + 8)
        var body = Self.little(start &- field, 4) + Self.little(size, 4)
        if let augmentation { body += Self.uleb(UInt64(augmentation.count)) + augmentation }
        append(UInt64(offset + 4 - common), body + instructions)
    }

    mutating func terminate() { bytes += [0, 0, 0, 0] }

    var section: Section { Section(address: address, bytes: bytes) }

    /// .eh_frame_hdr at `headerAddress`.
    func header(at headerAddress: UInt64 = 0x3f_0000) -> Section {
        var bytes: [UInt8] = [1, 0x1b, 0x03, 0x3b]
        bytes += Self.little(address &- (headerAddress + 4), 4) + Self.little(UInt64(places.count), 4)
        for (start, offset) in places.sorted(by: { $0.0 < $1.0 }) {
            bytes += Self.little(start &- headerAddress, 4)
            bytes += Self.little(address &+ UInt64(offset) &- headerAddress, 4)
        }
        return Section(address: headerAddress, bytes: bytes)
    }

    var table: UnwindTable {
        isDebugFrame ? UnwindTable(debugFrames: section) : UnwindTable(frameHeader: header(), frames: section)
    }
}

/// A stack that a test has written, and code that lies everywhere in one image.
struct Thread {
    var registers = Registers(rip: 0, rsp: 0x7000, rbp: 0, rbx: 0, r12: 0, r13: 0, r14: 0, r15: 0)
    var words: [UInt64] = []
    var chain: [UInt64] = []
    var limits = UnwindLimits()

    func unwind(_ lookup: (UInt64) -> CodePlace?) -> Unwound {
        words.withUnsafeBytes {
            Unwinder.unwind(
                registers, stacks: [StackCopy(base: 0x7000, bytes: $0)], chain: chain, limits: limits, lookup: lookup)
        }
    }

    /// With `table` for all code, which lies from 0x1000 to 0x6000.
    func unwind(_ table: UnwindTable?) -> Unwound {
        unwind { (0x1000 ..< 0x6000).contains($0) ? CodePlace(table: table, bias: 0) : nil }
    }
}
