/// Lists of address ranges: .debug_ranges up to DWARF 4, .debug_rnglists from 5 on.
struct DebugRanges {
    private let sections: DebugSections
    private let unit: DebugUnit
    private let address: (DebugValue) -> UInt64?

    private static let most = 1 << 14

    init(_ sections: DebugSections, _ unit: DebugUnit, _ address: @escaping (DebugValue) -> UInt64?) {
        (self.sections, self.unit, self.address) = (sections, unit, address)
    }

    func list(_ value: DebugValue) -> [Range<UInt64>] {
        if unit.version < 5 {
            switch value {
            case .offset(let offset), .number(let offset): return old(offset)
            default: return []
            }
        }
        guard let lists = sections.rangeLists else { return [] }
        switch value {
        case .offset(let offset), .number(let offset): return new(lists, offset)
        case .rangeIndex(let index):
            guard index < 1 << 32, let place = Int(exactly: unit.rangeListsBase &+ index &* UInt64(unit.offsetSize)),
                let offset = lists.value(at: place, size: unit.offsetSize)
            else { return [] }
            return new(lists, unit.rangeListsBase &+ offset)
        default: return []
        }
    }

    private func add(_ ranges: inout [Range<UInt64>], _ start: UInt64, _ end: UInt64) {
        if end > start, start != 0 { ranges.append(start ..< end) }
    }

    private func old(_ offset: UInt64) -> [Range<UInt64>] {
        guard let section = sections.ranges, var place = Int(exactly: offset), place < section.count else { return [] }
        var ranges: [Range<UInt64>] = []
        var base = unit.base
        for _ in 0 ..< Self.most {
            guard let start = section.value(at: place, size: 8), let end = section.value(at: place + 8, size: 8),
                start != 0 || end != 0
            else { break }
            place += 16
            if start == .max { base = end } else { add(&ranges, base &+ start, base &+ end) }
        }
        return ranges
    }

    private func new(_ section: Section, _ offset: UInt64) -> [Range<UInt64>] {
        guard let place = Int(exactly: offset), place < section.count else { return [] }
        // As with abbreviations, how long it is stands nowhere.
        var size = 1 << 10
        while true {
            let bytes = section.bytes(at: place, count: size)
            var cursor = Cursor(bytes)
            if let ranges = new(&cursor) { return ranges }
            guard bytes.count == size, size < 1 << 20 else { return [] }
            size *= 8
        }
    }

    /// Nil if the bytes end before the list.
    private func new(_ cursor: inout Cursor) -> [Range<UInt64>]? {
        var ranges: [Range<UInt64>] = []
        var base = unit.base
        for _ in 0 ..< Self.most {
            switch cursor.u8() {
            case 0: return cursor.failed ? nil : ranges
            case 1: base = address(.addressIndex(cursor.uleb())) ?? 0
            case 2:
                let start = address(.addressIndex(cursor.uleb())) ?? 0
                add(&ranges, start, address(.addressIndex(cursor.uleb())) ?? 0)
            case 3:
                let start = address(.addressIndex(cursor.uleb())) ?? 0
                add(&ranges, start, start &+ cursor.uleb())
            case 4:
                let start = cursor.uleb()
                add(&ranges, base &+ start, base &+ cursor.uleb())
            case 5: base = cursor.unsigned(8)
            case 6:
                let start = cursor.unsigned(8)
                add(&ranges, start, cursor.unsigned(8))
            case 7:
                let start = cursor.unsigned(8)
                add(&ranges, start, start &+ cursor.uleb())
            default: return ranges
            }
            if cursor.failed { return nil }
        }
        return ranges
    }
}
