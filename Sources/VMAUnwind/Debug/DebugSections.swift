/// The sections of debug information (DWARF 2 to 5) of one file; nil where there is none.
public struct DebugSections {
    public var info: Section?
    public var abbreviations: Section?
    public var strings: Section?
    public var lineStrings: Section?
    public var stringOffsets: Section?
    public var addresses: Section?
    public var ranges: Section?
    public var rangeLists: Section?
    public var addressRanges: Section?
    public var lines: Section?

    public init() {}

    /// The sections by their names in the file.
    public static var names: [(String, WritableKeyPath<DebugSections, Section?>)] {
        [
            (".debug_info", \.info), (".debug_abbrev", \.abbreviations), (".debug_str", \.strings),
            (".debug_line_str", \.lineStrings), (".debug_str_offsets", \.stringOffsets), (".debug_addr", \.addresses),
            (".debug_ranges", \.ranges), (".debug_rnglists", \.rangeLists), (".debug_aranges", \.addressRanges),
            (".debug_line", \.lines),
        ]
    }
}

/// One entry of a unit's abbreviation table: the tag of a DIE, and the forms of its attributes.
struct Abbreviation {
    var tag: UInt64
    var hasChildren: Bool
    var attributes: [(name: UInt64, form: UInt64, constant: Int64)]

    /// The longest table of a real program has a few thousand entries.
    private static let most = 1 << 16

    static func table(_ section: Section, at offset: Int) -> [UInt64: Abbreviation] {
        // Its length is stored nowhere: it is read for as long as it goes.
        var size = 1 << 13
        while true {
            let bytes = section.bytes(at: offset, count: size)
            var cursor = Cursor(bytes)
            if let table = table(&cursor) { return table }
            guard bytes.count == size, size < 1 << 22 else { return [:] }
            size *= 4
        }
    }

    private static func table(_ cursor: inout Cursor) -> [UInt64: Abbreviation]? {
        var table: [UInt64: Abbreviation] = [:]
        while table.count < most {
            let code = cursor.uleb()
            if cursor.failed { return nil }
            if code == 0 { break }
            var entry = Abbreviation(tag: cursor.uleb(), hasChildren: cursor.u8() != 0, attributes: [])
            while !cursor.failed {
                let name = cursor.uleb()
                let form = cursor.uleb()
                let constant = form == 0x21 ? cursor.sleb() : 0  // implicit_const
                if name == 0, form == 0 { break }
                guard entry.attributes.count < 256 else { return [:] }
                entry.attributes.append((name, form, constant))
            }
            table[code] = entry
        }
        return cursor.failed ? nil : table
    }
}

/// The header of a unit of .debug_info, and what its first DIE says of the others.
struct DebugUnit {
    /// The offsets of the unit's header, of its first DIE, and of the byte behind it.
    var start, first, end: Int
    var version: UInt64
    /// The size of offsets: 4 or 8 bytes.
    var offsetSize: Int
    var abbreviations: [UInt64: Abbreviation]
    var base: UInt64 = 0
    var stringOffsetsBase: UInt64 = 0
    var addressesBase: UInt64 = 0
    var rangeListsBase: UInt64 = 0
    var lines: UInt64?
    var directory: String?

    struct Header {
        var start, first, end: Int
        var version: UInt64
        var offsetSize: Int
        var abbreviations: UInt64
        /// Whether it is a compilation's, of all kinds of units.
        var isWhole: Bool
    }

    static func header(_ info: Section, at start: Int) -> Header? {
        var cursor = Cursor(info.bytes(at: start, count: 48))
        let (length, offsetSize) = cursor.initialLength()
        let body = start + cursor.offset
        guard !cursor.failed, body <= info.count, length <= UInt64(info.count - body) else { return nil }
        let version = cursor.unsigned(2)
        guard (2 ... 5).contains(version) else {
            return Header(
                start: start, first: 0, end: body + Int(length), version: version, offsetSize: offsetSize,
                abbreviations: 0, isWhole: false)
        }
        var abbreviations: UInt64
        var kind: UInt8 = 1
        var addressSize: UInt8
        if version == 5 {
            kind = cursor.u8()
            addressSize = cursor.u8()
            abbreviations = cursor.unsigned(offsetSize)
            if kind == 4 || kind == 5 { cursor.skip(8) }  // a skeleton's number
        } else {
            abbreviations = cursor.unsigned(offsetSize)
            addressSize = cursor.u8()
        }
        guard !cursor.failed else { return nil }
        return Header(
            start: start, first: start + cursor.offset, end: body + Int(length), version: version,
            offsetSize: offsetSize, abbreviations: abbreviations, isWhole: addressSize == 8 && (kind == 1 || kind == 4))
    }
}
