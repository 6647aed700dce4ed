import Glibc

/// Reads whole files of /proc and /sys, whose size is not known before.
enum ProcFile {
    static func bytes(_ path: String, limit: Int = 64 << 20) -> [UInt8]? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while all.count < limit {
            let got = read(fd, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            all.append(contentsOf: buffer[..<got])
        }
        return all
    }

    static func text(_ path: String) -> String? {
        guard var bytes = bytes(path) else { return nil }
        while let last = bytes.last, last == 10 || last == 0 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func lines(_ path: String) -> [Substring] {
        text(path)?.split(separator: "\n") ?? []
    }

    /// Where a symbolic link leads; nil if it can't be read.
    static func link(_ path: String) -> String? {
        let target = [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
            count = max(0, readlink(path, buffer.baseAddress!, buffer.count))
        }
        return target.isEmpty ? nil : String(decoding: target, as: UTF8.self)
    }

    /// A field of /proc/PID/status.
    static func status(_ pid: Int32, _ field: String) -> Substring? { status("/proc/\(pid)", field) }

    /// A field of `status` in a process's folder.
    static func status(_ folder: String, _ field: String) -> Substring? {
        for line in lines("\(folder)/status") where line.hasPrefix(field + ":") {
            return line.dropFirst(field.utf8.count + 1).drop { $0 == " " || $0 == "\t" }
        }
        return nil
    }

    /// The names in a directory; none if it can't be read.
    static func entries(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }
}
