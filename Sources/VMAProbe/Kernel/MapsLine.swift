/// A line of /proc/PID/maps: `7f00-7f10 r-xp 00001000 08:01 123   /usr/lib/x.so`.
struct MapsLine {
    var start: UInt64
    var end: UInt64
    /// In bytes.
    var offset: UInt64
    /// Inode 0: memory.
    var identity: FileIdentity
    /// As it is printed; empty for memory without a name.
    var path: String

    /// Nil for what is no such line.
    init?(_ line: some StringProtocol) {
        let parts = line.split(separator: " ", maxSplits: 5)
        guard parts.count >= 5 else { return nil }
        func numbers(_ part: Int, _ separator: Character) -> [UInt64] {
            parts[part].split(separator: separator).compactMap { UInt64($0, radix: 16) }
        }
        let (ends, device) = (numbers(0, "-"), numbers(3, ":"))
        guard ends.count == 2, device.count == 2, let offset = UInt64(parts[2], radix: 16), let inode = UInt64(parts[4]) else {
            return nil
        }
        (start, end, self.offset) = (ends[0], ends[1], offset)
        identity = FileIdentity(device: device[0] << 32 | device[1], inode: inode)
        path = parts.count > 5 ? String(parts[5].drop { $0 == " " }) : ""
    }
}
