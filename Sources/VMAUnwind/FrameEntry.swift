/// The facts that many functions have in common, a CIE.
struct CommonEntry {
    var codeAlignment: UInt64 = 1
    var dataAlignment: Int64 = 1
    /// The column of the return address.
    var returnColumn = Registers.Number.rip
    var pointers = PointerEncoding(byte: 0)
    /// 'z': each of its FDEs says how long its augmentation is.
    var hasAugmentationLength = false
    /// 'S': the frame that a signal handler returns to. The address that it names was interrupted there,
    /// and is not where a call returns to.
    var isSignalFrame = false
    var instructions: [UInt8] = []
}

/// One function's call-frame information, an FDE.
struct FrameEntry {
    var common: CommonEntry
    /// The start of the function in the image.
    var start: UInt64
    /// Behind the last instruction.
    var end: UInt64
    var instructions: [UInt8]
}

/// The entries of .eh_frame or .debug_frame.
struct FrameSection {
    let section: Section
    let isDebugFrame: Bool

    /// Bytes of one entry. The longest ones of real programs have a few 10 KiB.
    static let longestEntry = 1 << 17

    /// Where an entry lies, and what it is.
    struct Head {
        /// The range of the bytes behind the field that says which CIE it is.
        var body: Range<Int>
        /// The offset of the CIE, or nil if it is one itself.
        var common: Int?
        /// The offset of the entry that follows.
        var next: Int
    }

    /// The head of an entry; nil at the end of the section, at a terminator, and where it is damaged.
    func head(at offset: Int) -> Head? {
        guard let short = section.value(at: offset, size: 4), short != 0 else { return nil }
        var lengthSize = 4
        var length = short
        if short == 0xffff_ffff {
            guard let long = section.value(at: offset + 4, size: 8) else { return nil }
            lengthSize = 12
            length = long
        }
        let start = offset + lengthSize
        let idSize = lengthSize == 12 ? 8 : 4
        guard length >= UInt64(idSize), start <= section.count, length <= UInt64(section.count - start),
            let id = section.value(at: start, size: idSize)
        else { return nil }
        let next = start + Int(length)
        let body = start + idSize ..< next
        if isDebugFrame {
            if id == (idSize == 8 ? UInt64.max : 0xffff_ffff) { return Head(body: body, common: nil, next: next) }
            guard let common = Int(exactly: id) else { return nil }
            return Head(body: body, common: common, next: next)
        }
        if id == 0 { return Head(body: body, common: nil, next: next) }
        guard id <= UInt64(start) else { return nil }
        return Head(body: body, common: start - Int(id), next: next)
    }

    /// Reads the body of an entry. Nil if it is too long.
    private func cursor(_ head: Head) -> Cursor? {
        guard head.body.count <= Self.longestEntry else { return nil }
        let bytes = section.bytes(at: head.body.lowerBound, count: head.body.count)
        guard bytes.count == head.body.count else { return nil }
        return Cursor(bytes)
    }

    /// The CIE at `offset`. Nil if there is none, or none that we understand.
    func common(at offset: Int) -> CommonEntry? {
        guard let head = head(at: offset), head.common == nil, var cursor = cursor(head) else { return nil }
        var entry = CommonEntry()
        let version = cursor.u8()
        guard version == 1 || version == 3 || version == 4 else { return nil }
        var augmentation: [UInt8] = []
        while !cursor.failed {
            let byte = cursor.u8()
            if byte == 0 { break }
            augmentation.append(byte)
        }
        if augmentation == Array("eh".utf8) { cursor.skip(8) }  // GCC 2
        if version == 4 {
            // Addresses of 8 bytes, and no segments.
            guard cursor.u8() == 8, cursor.u8() == 0 else { return nil }
        }
        entry.codeAlignment = cursor.uleb()
        entry.dataAlignment = cursor.sleb()
        let column = version == 1 ? UInt64(cursor.u8()) : cursor.uleb()
        guard !cursor.failed, column < UInt64(Registers.count) else { return nil }
        entry.returnColumn = Int(column)
        if augmentation.first == UInt8(ascii: "z") {
            entry.hasAugmentationLength = true
            let data = cursor.block()
            guard !cursor.failed else { return nil }
            var inside = Cursor(cursor.bytes, from: data.lowerBound, to: data.upperBound)
            for letter in augmentation.dropFirst() {
                switch letter {
                case UInt8(ascii: "R"): entry.pointers = PointerEncoding(byte: inside.u8())
                case UInt8(ascii: "L"): _ = inside.u8()
                case UInt8(ascii: "P"):
                    let personality = PointerEncoding(byte: inside.u8())
                    guard personality.readValue(&inside) != nil else { return nil }
                case UInt8(ascii: "S"): entry.isSignalFrame = true
                case UInt8(ascii: "B"): break
                default: return nil
                }
            }
            guard !inside.failed else { return nil }
        } else if !augmentation.isEmpty, augmentation != Array("eh".utf8) {
            return nil
        }
        guard !cursor.failed else { return nil }
        entry.instructions = Array(cursor.bytes[cursor.offset ..< cursor.end])
        return entry
    }

    /// The range of an FDE, which is the first in its body.
    private func range(
        _ cursor: inout Cursor, _ head: Head, _ common: CommonEntry
    ) -> (start: UInt64, end: UInt64)? {
        let address = section.address &+ UInt64(head.body.lowerBound)
        guard !common.pointers.isIndirect, let start = common.pointers.read(&cursor, address: address),
            let length = PointerEncoding(byte: common.pointers.byte & 0x0f).readValue(&cursor), length > 0
        else { return nil }
        let (end, overflow) = start.addingReportingOverflow(length)
        return overflow ? nil : (start, end)
    }

    /// The FDE at `offset`. Nil if there is none, or none that we understand.
    func entry(at offset: Int, common known: (Int) -> CommonEntry?) -> FrameEntry? {
        guard let head = head(at: offset), let place = head.common, let common = known(place),
            var cursor = cursor(head), let (start, end) = range(&cursor, head, common)
        else { return nil }
        if common.hasAugmentationLength { _ = cursor.block() }
        guard !cursor.failed else { return nil }
        return FrameEntry(
            common: common, start: start, end: end, instructions: Array(cursor.bytes[cursor.offset ..< cursor.end]))
    }

    /// Only the range of the FDE at `head`, without reading all of it.
    func range(of head: Head, _ common: CommonEntry) -> (start: UInt64, end: UInt64)? {
        var cursor = Cursor(section.bytes(at: head.body.lowerBound, count: min(head.body.count, 20)))
        return range(&cursor, head, common)
    }
}
