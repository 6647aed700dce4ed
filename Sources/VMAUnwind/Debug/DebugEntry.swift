/// The value of an attribute, as far as we have use for it.
enum DebugValue {
    case number(UInt64)
    /// An index into the unit's addresses.
    case addressIndex(UInt64)
    case address(UInt64)
    /// An offset in .debug_info.
    case reference(Int)
    case text(DebugText)
    /// Into the section that the attribute is about.
    case offset(UInt64)
    case rangeIndex(UInt64)
    case flag
}

/// Where a text stands.
enum DebugText {
    case here(Int)
    case strings(UInt64)
    case lineStrings(UInt64)
    case index(UInt64)
}

/// A DIE, of which only what was wanted is kept.
struct DebugEntry {
    var offset: Int
    var tag: UInt64
    var hasChildren: Bool
    /// Behind its attributes.
    var next: Int
    var low: DebugValue?
    var high: DebugValue?
    var ranges: DebugValue?
    var name: DebugText?
    var linkageName: DebugText?
    /// The offset of the DIE that has the name: an abstract origin, or a declaration.
    var origin: Int?
    var sibling: Int?
    var callFile: UInt64?
    var callLine: UInt64?
    var lines: UInt64?
    var directory: DebugText?
    var stringOffsetsBase: UInt64?
    var addressesBase: UInt64?
    var rangeListsBase: UInt64?

    /// Reads the DIE that `cursor` stands at, which reads all of .debug_info from `window` on. Nil at the end of
    /// a list of children (`isNull`), and where it is damaged.
    static func read(_ cursor: inout Cursor, _ window: Int, _ unit: DebugUnit, isNull: inout Bool) -> DebugEntry? {
        let offset = window + cursor.offset
        let code = cursor.uleb()
        isNull = code == 0 && !cursor.failed
        guard code != 0, !cursor.failed, let form = unit.abbreviations[code] else { return nil }
        var entry = DebugEntry(offset: offset, tag: form.tag, hasChildren: form.hasChildren, next: 0)
        for attribute in form.attributes {
            let value = value(&cursor, window, attribute.form, attribute.constant, unit)
            if cursor.failed { return nil }
            guard let value else { continue }
            entry.note(attribute.name, value)
        }
        entry.next = window + cursor.offset
        return entry
    }

    private mutating func note(_ name: UInt64, _ value: DebugValue) {
        switch name {
        case 0x01: if case .reference(let place) = value { sibling = place }
        case 0x03: if case .text(let text) = value { self.name = text }
        case 0x10: lines = Self.number(value)
        case 0x11: low = value
        case 0x12: high = value
        case 0x1b: if case .text(let text) = value { directory = text }
        case 0x31, 0x47: if case .reference(let place) = value { origin = place }
        case 0x55: ranges = value
        case 0x58: callFile = Self.number(value)
        case 0x59: callLine = Self.number(value)
        case 0x6e, 0x2007: if case .text(let text) = value { linkageName = text }
        case 0x72: stringOffsetsBase = Self.number(value)
        case 0x73, 0x2133: addressesBase = Self.number(value)
        case 0x74: rangeListsBase = Self.number(value)
        default: break
        }
    }

    private static func number(_ value: DebugValue) -> UInt64? {
        switch value {
        case .number(let number), .offset(let number): number
        default: nil
        }
    }

    /// The value of an attribute; nil if it is of no use here. The cursor fails where the form is unknown: nothing
    /// behind it can be read.
    private static func value(
        _ cursor: inout Cursor, _ window: Int, _ form: UInt64, _ constant: Int64, _ unit: DebugUnit
    ) -> DebugValue? {
        func inUnit(_ offset: UInt64) -> DebugValue? {
            offset < UInt64(unit.end - unit.start) ? .reference(unit.start + Int(offset)) : nil
        }
        switch form {
        case 0x01: return .address(cursor.unsigned(8))
        case 0x03: cursor.skip(cursor.unsigned(2))  // block2
        case 0x04: cursor.skip(cursor.unsigned(4))
        case 0x05: return .number(cursor.unsigned(2))
        case 0x06: return .number(cursor.unsigned(4))
        case 0x07: return .number(cursor.unsigned(8))
        case 0x08:
            let start = window + cursor.offset
            while cursor.u8() != 0, !cursor.failed {}
            return .text(.here(start))
        case 0x09, 0x18: _ = cursor.block()  // block, exprloc
        case 0x0a: cursor.skip(UInt64(cursor.u8()))
        case 0x0b: return .number(UInt64(cursor.u8()))
        case 0x0c: return cursor.u8() != 0 ? .flag : nil
        case 0x0d: return .number(UInt64(bitPattern: cursor.sleb()))
        case 0x0e: return .text(.strings(cursor.unsigned(unit.offsetSize)))
        case 0x0f: return .number(cursor.uleb())
        case 0x10:  // ref_addr
            return Int(exactly: cursor.unsigned(unit.version == 2 ? 8 : unit.offsetSize)).map { .reference($0) }
        case 0x11: return inUnit(cursor.unsigned(1))
        case 0x12: return inUnit(cursor.unsigned(2))
        case 0x13: return inUnit(cursor.unsigned(4))
        case 0x14: return inUnit(cursor.unsigned(8))
        case 0x15: return inUnit(cursor.uleb())
        case 0x16:  // indirect
            let actual = cursor.uleb()
            guard actual != 0x16, actual != 0x21 else {
                cursor.fail()
                return nil
            }
            return value(&cursor, window, actual, 0, unit)
        case 0x17: return .offset(cursor.unsigned(unit.offsetSize))
        case 0x19: return .flag
        case 0x1a: return .text(.index(cursor.uleb()))
        case 0x1b, 0x1f01: return .addressIndex(cursor.uleb())
        case 0x1c, 0x1f20, 0x1d: cursor.skip(form == 0x1c ? 4 : UInt64(unit.offsetSize))  // of another file
        case 0x1e: cursor.skip(16)
        case 0x1f: return .text(.lineStrings(cursor.unsigned(unit.offsetSize)))
        case 0x20: cursor.skip(8)
        case 0x21: return .number(UInt64(bitPattern: constant))
        case 0x22: _ = cursor.uleb()
        case 0x23: return .rangeIndex(cursor.uleb())
        case 0x24: cursor.skip(8)
        case 0x25, 0x26, 0x27, 0x28: return .text(.index(cursor.unsigned(Int(form - 0x24))))
        case 0x29, 0x2a, 0x2b, 0x2c: return .addressIndex(cursor.unsigned(Int(form - 0x28)))
        case 0x1f02: return .text(.index(cursor.uleb()))
        case 0x1f21: cursor.skip(UInt64(unit.offsetSize))
        default: cursor.fail()
        }
        return nil
    }
}
