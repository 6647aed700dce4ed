import CSystem
import Glibc

/// The destination of a report.
///
/// Files are opened by the kernel's own rules, including those that protect links, files and pipes in folders like
/// /tmp (fs.protected_symlinks and its like). No path is resolved here, which would get around these rules.
package struct Output {
    private enum Place {
        /// A name in a folder, which a whole file can be given; and the file that has the name now, if there is one.
        case name(String, in: Folder, old: stat?)
        /// A file that vmascope may not replace: it is written in place, when the report is complete.
        case file(Int32, name: String)
        /// A device or a pipe, which no file can replace. A pipe is opened once only: its reader
        /// takes the end of the first writer for the end of the report.
        case stream(Int32, name: String)
    }

    private let place: Place
    /// The path as it was given, for messages.
    private let path: String
    /// The mode of a new file.
    private let mode: mode_t

    /// The default mode: nobody else may read a report.
    package static let ownMode: mode_t = 0o600

    /// Opens `path`, or stdout without one. Fails now if it can't be written, and not when a report would be lost.
    /// Waits for the reader of a pipe.
    ///
    /// - Parameter mode: the mode of a new file; an existing file keeps its own.
    package init(_ path: String?, mode: mode_t? = nil) throws {
        self.mode = mode ?? Self.ownMode
        self.path = path ?? "stdout"
        guard let path, !Self.isStdout(path) else {
            let mode = fcntl(1, F_GETFL)
            guard mode >= 0, mode & O_ACCMODE != O_RDONLY else { throw Failure.output("stdout is closed") }
            place = .stream(1, name: "stdout")
            return
        }
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw Self.failure(path) }
            let (folder, name) = try Self.parts(path)
            // A link that leads nowhere is not a name for a new file.
            guard fstatat(folder.fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 else {
                errno = ENOENT
                throw Self.failure(path)
            }
            try folder.check(path)
            place = .name(name, in: folder, old: nil)
            return
        }
        let fd = try Self.open(path)
        guard fstat(fd, &status) == 0 else { throw Self.failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            place = .stream(fd, name: path)
            return
        }
        if status.st_uid == geteuid(), status.st_nlink == 1, let (folder, name) = Self.place(of: fd, status) {
            close(fd)
            place = .name(name, in: folder, old: status)
        } else {
            place = .file(fd, name: path)
        }
    }

    /// Opens a file for writing as any program does (open(2) with O_CREAT), and leaves its contents.
    static func open(_ path: String, mode: mode_t = ownMode) throws -> Int32 {
        let fd = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, mode)
        guard fd >= 0 else { throw failure(path) }
        return fd
    }

    /// Writes the report. A file is replaced only by a complete one. If the text can't be written, it goes to stdout,
    /// so that it is not lost.
    package func write(_ text: String) throws { try write(isText: true) { try Console.write($0, text, to: $1) } }

    /// Bytes, a part at a time. Where stdout is a terminal they do not go there in place of the file.
    ///
    /// - Parameter body: writes all parts; it is called once more if the file could not be written.
    package func write(_ body: (([UInt8]) throws -> Void) throws -> Void) throws {
        try write(isText: false) { fd, name in try body { try Console.write(fd, $0, to: name) } }
    }

    private func write(isText: Bool, _ fill: (Int32, String) throws -> Void) throws {
        do {
            switch place {
            case .name(let name, let folder, let old): try folder.replace(name, mode: mode, old: old, path: path, fill)
            case .file(let fd, let name):
                guard ftruncate(fd, 0) == 0, lseek(fd, 0, SEEK_SET) == 0 else { throw Self.failure(name) }
                try fill(fd, name)
            case .stream(let fd, let name): try Self.stream(fd, name, fill)
            }
        } catch {
            if case .stream(1, _) = place { throw error }
            if isText || isatty(1) == 0 { try? Self.stream(1, "stdout", fill) }
            throw error
        }
    }

    /// The reader of a pipe may be slow, or asleep: from here on signals end vmascope.
    private static func stream(_ fd: Int32, _ name: String, _ fill: (Int32, String) throws -> Void) throws {
        vms_restore_signals()
        try fill(fd, name)
    }

    /// Whether the path is /dev/stdout, or the file that the shell opened as stdout: the command writes there, too.
    private static func isStdout(_ path: String) -> Bool {
        var (one, other) = (stat(), stat())
        guard stat(path, &one) == 0, fstat(1, &other) == 0 else { return false }
        return one.st_dev == other.st_dev && one.st_ino == other.st_ino
    }

    /// The folder of a path, and the name in it.
    private static func parts(_ path: String) throws -> (Folder, String) {
        let slash = path.lastIndex(of: "/")
        let name = String(slash.map { path[path.index(after: $0)...] } ?? path[...])
        guard !name.isEmpty, name != ".", name != ".." else {
            errno = path.isEmpty ? ENOENT : EISDIR
            throw failure(path)
        }
        return (try Folder(slash.map { String(path[...$0]) } ?? ".", for: path), name)
    }

    /// The place of a descriptor's file, whatever links led there: a name in a folder, if that is the file, and
    /// another file can take its place.
    private static func place(of fd: Int32, _ file: stat) -> (Folder, String)? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/fd/\(fd)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        guard length > 0, let (folder, name) = try? parts(String(decoding: buffer[..<length], as: UTF8.self)) else { return nil }
        var found = stat()
        guard fstatat(folder.fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0, found.st_dev == file.st_dev,
            found.st_ino == file.st_ino,
            (try? folder.check(name)) != nil
        else { return nil }
        return (folder, name)
    }

    fileprivate static func failure(_ path: String) -> Failure {
        .output("\(path): \(String(cString: strerror(errno)))")
    }
}

/// An open folder, which stays the same whatever is done to the path that led to it.
final class Folder {
    let fd: Int32

    /// - Parameter path: the path of the file in it, for messages.
    init(_ folder: String, for path: String) throws {
        fd = vms_open_place(folder)
        guard fd >= 0 else {
            errno = -fd
            throw Output.failure(path)
        }
    }

    deinit { if fd >= 0 { close(fd) } }

    /// Throws if no file can be made here.
    func check(_ path: String) throws {
        let part = try part(path)
        close(part.fd)
        unlinkat(fd, part.name, 0)
    }

    /// - Parameters:
    ///   - old: the file that has the name now. It is ours. The new file gets its group, and its mode except for what
    ///     the umask forbids.
    ///   - durably: after a crash one of the two files is there, complete.
    func replace(_ name: String, _ text: String, mode: mode_t, old: stat? = nil, durably: Bool = false, path: String) throws {
        try replace(name, mode: mode, old: old, durably: durably, path: path) { try Console.write($0, text, to: $1) }
    }

    /// - Parameter fill: writes the file, to a descriptor; the path is for messages.
    func replace(
        _ name: String, mode: mode_t, old: stat? = nil, durably: Bool = false, path: String,
        _ fill: (Int32, String) throws -> Void
    ) throws {
        let part = try part(path)
        do {
            let written = Result {
                var mode = mode
                if let old {
                    let mask = umask(0o077)
                    umask(mask)
                    mode = old.st_mode & 0o777 & ~mask
                    if fchown(part.fd, uid_t.max, old.st_gid) != 0 { mode &= 0o707 }
                }
                guard fchmod(part.fd, mode) == 0 else { throw Output.failure(path) }
                try fill(part.fd, path)
                if durably, fsync(part.fd) != 0 { throw Output.failure(path) }
            }
            let closed = close(part.fd)  // where a network's file system says that it is full
            try written.get()
            guard closed == 0, renameat(fd, part.name, fd, name) == 0 else { throw Output.failure(path) }
        } catch {
            unlinkat(fd, part.name, 0)
            throw error
        }
    }

    /// Makes a new file, which a rename can put in a name's place.
    private func part(_ path: String) throws -> (fd: Int32, name: String) {
        for _ in 0 ..< 100 {
            let name = ".vmascope-" + String(UInt64.random(in: 0 ... .max), radix: 36)
            let part = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            if part >= 0 { return (part, name) }
            if errno != EEXIST { break }
        }
        throw Output.failure(path)
    }
}
