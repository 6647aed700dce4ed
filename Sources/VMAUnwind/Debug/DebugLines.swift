/// A line number program (DWARF 5, section 6.2): which line of which file each instruction comes from.
final class DebugLines {
    private struct Row {
        var address: UInt64
        var file: UInt32
        /// 0 for none, and `end` where a sequence of instructions ends.
        var line: UInt32
        static let end = UInt32.max
    }

    private var rows: [Row] = []
    private var names: [String] = []
    /// The number of the first file: 1 before DWARF 5.
    private var firstFile = 1

    private static let (mostRows, mostFiles) = (1 << 20, 1 << 16)
    private static let largest: UInt64 = 32 << 20

    var footprint: Int { rows.capacity * 16 + names.reduce(0) { $0 + $1.utf8.count + 32 } }

    init(_ section: Section, at offset: UInt64, _ sections: DebugSections, directory: String?) {
        guard let place = Int(exactly: offset), place < section.count else { return }
        var head = Cursor(section.bytes(at: place, count: 12))
        let (length, offsetSize) = head.initialLength()
        guard !head.failed, length <= Self.largest else { return }
        var cursor = Cursor(section.bytes(at: place + head.offset, count: Int(length)))
        read(&cursor, offsetSize, sections, directory)
        rows.sort { ($0.address, $0.line == Row.end ? 0 : 1) < ($1.address, $1.line == Row.end ? 0 : 1) }
    }

    func file(_ number: UInt64) -> String? {
        guard number >= UInt64(firstFile), number - UInt64(firstFile) < UInt64(names.count) else { return nil }
        return names[Int(number) - firstFile]
    }

    func place(of address: UInt64) -> (file: String?, line: UInt64?) {
        let low = rows.partitioningIndex { $0.address > address }
        guard low > 0, rows[low - 1].line != Row.end, rows[low - 1].line != 0 else { return (nil, nil) }
        return (file(UInt64(rows[low - 1].file)), UInt64(rows[low - 1].line))
    }

    private func read(_ cursor: inout Cursor, _ offsetSize: Int, _ sections: DebugSections, _ directory: String?) {
        let version = cursor.unsigned(2)
        guard (2 ... 5).contains(version) else { return }
        if version == 5 { cursor.skip(2) }
        let headerLength = cursor.unsigned(offsetSize)
        let start = cursor.offset
        let step = UInt64(cursor.u8())
        if version >= 4 { _ = cursor.u8() }
        _ = cursor.u8()
        let lineBase = Int64(Int8(bitPattern: cursor.u8()))
        let lineRange = Int64(cursor.u8())
        let opcodeBase = cursor.u8()
        guard opcodeBase > 0, lineRange > 0 else { return }
        let operands = (1 ..< Int(opcodeBase)).map { _ in cursor.u8() }
        if version == 5 {
            firstFile = 0
            newNames(&cursor, offsetSize, sections, directory)
        } else {
            oldNames(&cursor, directory)
        }
        guard !cursor.failed, headerLength <= UInt64(cursor.end - start) else { return }
        cursor.move(to: start + Int(headerLength))
        run(&cursor, step, lineBase, lineRange, opcodeBase, operands)
    }

    private static func joined(_ directory: String?, _ name: String) -> String {
        guard let directory, !directory.isEmpty, !name.hasPrefix("/") else { return name }
        return "\(directory)/\(name)"
    }

    private static func text(_ cursor: inout Cursor) -> String {
        var bytes: [UInt8] = []
        while bytes.count < 4096 {
            let byte = cursor.u8()
            if byte == 0 { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func oldNames(_ cursor: inout Cursor, _ directory: String?) {
        var directories: [String?] = [directory]
        while directories.count < Self.mostFiles, !cursor.failed {
            let name = Self.text(&cursor)
            if name.isEmpty { break }
            directories.append(Self.joined(directory, name))
        }
        while names.count < Self.mostFiles, !cursor.failed {
            let name = Self.text(&cursor)
            if name.isEmpty { break }
            let index = cursor.uleb()
            _ = cursor.uleb()
            _ = cursor.uleb()
            names.append(Self.joined(index < UInt64(directories.count) ? directories[Int(index)] : nil, name))
        }
    }

    /// Directories, then files, each with its own description of what stands there.
    private func newNames(_ cursor: inout Cursor, _ offsetSize: Int, _ sections: DebugSections, _ directory: String?) {
        var directories: [String] = []
        for isFile in [false, true] {
            let formats = (0 ..< Int(cursor.u8())).map { _ in (kind: cursor.uleb(), form: cursor.uleb()) }
            let count = cursor.uleb()
            guard !cursor.failed, count <= UInt64(Self.mostFiles) else { return cursor.fail() }
            for _ in 0 ..< count {
                var (name, index) = ("", UInt64(0))
                for format in formats {
                    switch format.form {
                    case 0x08: name = format.kind == 1 ? Self.text(&cursor) : name
                    case 0x0e, 0x1f:
                        let offset = cursor.unsigned(offsetSize)
                        let texts = format.form == 0x0e ? sections.strings : sections.lineStrings
                        if format.kind == 1 { name = texts?.text(at: offset) ?? "" }
                    case 0x0b, 0x05, 0x06, 0x07, 0x0f:
                        let sizes: [UInt64: Int] = [0x0b: 1, 0x05: 2, 0x06: 4, 0x07: 8]
                        let value = sizes[format.form].map { cursor.unsigned($0) } ?? cursor.uleb()
                        if format.kind == 2 { index = value }
                    case 0x1e: cursor.skip(16)  // MD5
                    case 0x09: _ = cursor.block()
                    default: return cursor.fail()
                    }
                }
                guard !cursor.failed else { return }
                if isFile {
                    names.append(Self.joined(index < UInt64(directories.count) ? directories[Int(index)] : directory, name))
                } else {
                    directories.append(Self.joined(directories.first ?? directory, name))
                }
            }
        }
    }

    private func run(
        _ cursor: inout Cursor, _ step: UInt64, _ lineBase: Int64, _ lineRange: Int64, _ opcodeBase: UInt8,
        _ operands: [UInt8]
    ) {
        var (address, file, line) = (UInt64(0), UInt64(1), Int64(1))
        func append(_ isEnd: Bool = false) {
            let shown = isEnd ? Row.end : UInt32(clamping: min(line, Int64(Row.end - 1)))
            rows.append(Row(address: address, file: UInt32(clamping: file), line: shown))
        }
        while !cursor.isAtEnd, rows.count < Self.mostRows {
            let code = cursor.u8()
            if code >= opcodeBase {
                let special = Int64(code - opcodeBase)
                address &+= UInt64(special / lineRange) &* step
                line &+= lineBase + special % lineRange
                append()
                continue
            }
            switch code {
            case 0:
                let size = cursor.uleb()
                let start = cursor.offset
                guard size > 0, size <= UInt64(cursor.remaining) else { return }
                switch cursor.u8() {
                case 1:
                    append(true)
                    (address, file, line) = (0, 1, 1)
                case 2: address = size == 9 ? cursor.unsigned(8) : 0
                default: break
                }
                cursor.move(to: start + Int(size))
            case 1: append()
            case 2: address &+= cursor.uleb() &* step
            case 3: line &+= cursor.sleb()
            case 4: file = cursor.uleb()
            case 8: address &+= UInt64(Int64(255 - opcodeBase) / lineRange) &* step
            case 9: address &+= cursor.unsigned(2)
            default: for _ in 0 ..< operands[Int(code) - 1] { _ = cursor.uleb() }
            }
            if cursor.failed { return }
        }
    }
}
