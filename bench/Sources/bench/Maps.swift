import CMaps
import Glibc

/// A line of /proc/PID/maps.
struct MapsRow {
    var start: UInt64 = 0
    var end: UInt64 = 0
    /// As four characters, such as "rw-p".
    var protection: UInt32 = 0
    /// Bytes.
    var offset: UInt64 = 0
    var inode: UInt64 = 0
    /// The bytes of the text that are the path.
    var path: Range<Int> = 0 ..< 0
}

/// /proc/PID/maps, read into one buffer that is kept, and parsed in C and in Swift.
final class Maps {
    private let text = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 20, alignment: 64)
    private var parsed: [maps_row]

    init(most: Int) { parsed = Array(repeating: maps_row(), count: most) }

    deinit { text.deallocate() }

    private func read(_ pid: Int32) -> Int {
        let bytes = maps_read(pid, text.baseAddress, text.count)
        guard bytes > 0 else { fail("/proc/\(pid)/maps can't be read") }
        return bytes
    }

    /// How many VMAs there are.
    func inC(_ pid: Int32) -> Int {
        let bytes = read(pid)
        return maps_parse(text.baseAddress, bytes, &parsed, parsed.count)
    }

    func inSwift(_ pid: Int32) -> [MapsRow] {
        var rest = Cursor(UnsafeRawBufferPointer(rebasing: text[..<read(pid)]))
        var rows: [MapsRow] = []
        while !rest.isAtEnd { rows.append(rest.line()) }
        return rows
    }
}

private struct Cursor {
    private let text: UnsafeRawBufferPointer
    private var at = 0

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    var isAtEnd: Bool { at >= text.count }

    mutating func line() -> MapsRow {
        var row = MapsRow()
        row.start = hex()
        row.end = hex()
        row.protection = text.loadUnaligned(fromByteOffset: at, as: UInt32.self)
        at += 5
        row.offset = hex()
        _ = (hex(), hex())  // the device
        while case let digit = text[at] &- 48, digit < 10 {
            row.inode = row.inode &* 10 &+ UInt64(digit)
            at += 1
        }
        while text[at] == 32 { at += 1 }
        let path = at
        while text[at] != 10 { at += 1 }
        row.path = path ..< at
        at += 1
        return row
    }

    /// Reads a hexadecimal number and the character behind it.
    private mutating func hex() -> UInt64 {
        var value: UInt64 = 0
        while true {
            let byte = text[at]
            at += 1
            switch byte {
            case 48 ... 57: value = value << 4 | UInt64(byte &- 48)
            case 97 ... 102: value = value << 4 | UInt64(byte &- 87)
            default: return value
            }
        }
    }
}
