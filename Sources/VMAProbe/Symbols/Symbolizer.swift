import Glibc
import VMACore

/// Where an address of a process lies.
struct MappedPlace {
    /// Of the mapped file, as the process or the host sees it; nil if the memory is anonymous.
    var path: String?
    /// Of the address, in that file.
    var fileOffset: UInt64
    var address: UInt64
    /// The address itself if nothing is mapped there.
    var mappingStart: UInt64
}

/// From addresses to texts for people. Answers always: with less, if it can find less.
final class Symbolizer {
    /// A version of a file, whatever it is called and whoever has mapped it.
    private struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
        var seconds: Int
        var nanoseconds: Int
    }

    private struct Mapping: Hashable {
        var pid: Int32
        var path: String
    }

    private var files: [Identity: SymbolFile] = [:]
    /// What was found before, for when the process is gone.
    private var seen: [Mapping: Identity] = [:]
    private var perfMaps = PerfMaps()
    /// Of `files`, bytes.
    private var footprint = 0

    private static let largestFootprint = 1 << 30
    private static let mostMappings = 1 << 16

    init() {}

    /// `isCaller`: the address is where a call returns to, which may already be the next
    /// function. The text holds neither ";" nor a line's end.
    func frame(_ place: MappedPlace, pid: Int32, isCaller: Bool) -> String {
        let text = Self.printable(text(place, pid, back: isCaller ? 1 : 0))
        return text == CallPath.unseenFrame ? "?" : text
    }

    private func text(_ place: MappedPlace, _ pid: Int32, back: UInt64) -> String {
        guard let path = place.path, !path.isEmpty else {
            if let name = perfMaps.name(of: place.address &- back, pid) { return "\(name) (jit)" }
            if place.mappingStart == place.address { return "0x" + String(place.address, radix: 16) }
            return "anon+0x" + String(place.address &- place.mappingStart, radix: 16)
        }
        var object = path[...]
        if object.hasSuffix(Self.deleted) { object = object.dropLast(Self.deleted.count) }
        if let slash = object.lastIndex(of: "/") { object = object[object.index(after: slash)...] }
        var address = place.fileOffset
        if path.hasPrefix("/"), let file = file(path, pid) {
            if let found = file.address(ofOffset: place.fileOffset) {
                address = found
                if let name = file.function(at: found &- back) {
                    return file.isProgram ? name : "\(name) (\(object))"
                }
            }
        } else if let name = perfMaps.name(of: place.address &- back, pid) {
            return "\(name) (jit)"  // some keep their code in a memory file
        }
        return "\(object)+0x" + String(address, radix: 16)
    }

    private static let deleted = " (deleted)"

    private static func printable(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ";") || $0 < 32 || $0 == 127 }) else { return text }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            clean.append(scalar == ";" ? "," : scalar.value < 32 || scalar.value == 127 ? "?" : scalar)
        }
        return String(clean)
    }

    // MARK: files

    /// Nil if it cannot be opened.
    private func file(_ path: String, _ pid: Int32) -> SymbolFile? {
        let mapping = Mapping(pid: pid, path: path)
        // First as the process sees it, which may live in a container.
        if let file = file("/proc/\(pid)/root" + path, path, mapping) {
            // A program built anew while the old one runs.
            guard file.isProgram, Self.link("/proc/\(pid)/exe") == path + Self.deleted else { return file }
            return self.file("/proc/\(pid)/exe", path, mapping) ?? file
        }
        if let known = seen[mapping], let file = files[known] { return file }
        if let file = file(path, path, mapping) { return file }
        // A program removed while it runs.
        guard let program = Self.link("/proc/\(pid)/exe"), Self.undeleted(program) == Self.undeleted(path) else {
            return nil
        }
        return file("/proc/\(pid)/exe", path, mapping)
    }

    /// `path` is what others call what we open as `name`.
    private func file(_ name: String, _ path: String, _ mapping: Mapping) -> SymbolFile? {
        var status = stat()
        guard stat(name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let identity = Identity(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino),
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        if seen.count > Self.mostMappings { seen = [:] }
        seen[mapping] = identity
        if let file = files[identity] { return file }
        guard let fd = RegularFile.open(name) else { return nil }
        let root = "/proc/\(mapping.pid)/root"
        var file = SymbolFile()
        if let elf = ElfFile(owning: fd) {
            file = SymbolFile(elf, path: path) { RegularFile.open(root + $0) ?? RegularFile.open($0) }
        }
        footprint += file.footprint
        if footprint > Self.largestFootprint {
            files = [:]
            footprint = file.footprint
        }
        files[identity] = file
        return file
    }

    private static func undeleted(_ path: String) -> Substring {
        path.hasSuffix(deleted) ? path.dropLast(deleted.count) : path[...]
    }

    private static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = buffer.withUnsafeMutableBytes {
            readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return length > 0 ? String(decoding: buffer[..<length], as: UTF8.self) : nil
    }
}

enum RegularFile {
    /// Opens for reading what a process under observation may have named: to open a device or a
    /// pipe could do something.
    static func open(_ path: String, followsLink: Bool = true) -> Int32? {
        let place = Glibc.open(path, onlyPlace | O_CLOEXEC | (followsLink ? 0 : O_NOFOLLOW))
        guard place >= 0 else { return nil }
        defer { close(place) }
        var status = stat()
        guard fstat(place, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let fd = Glibc.open("/proc/self/fd/\(place)", O_RDONLY | O_CLOEXEC)
        return fd >= 0 ? fd : nil
    }

    /// O_PATH, which Glibc's headers hide from Swift.
    private static let onlyPlace: Int32 = 0o10000000
}
