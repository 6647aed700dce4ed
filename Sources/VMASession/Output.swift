import CSystem
import Glibc

/// Where a report goes.
package struct Output {
    private enum Place {
        case file(String)
        /// A device or a pipe, which no file can replace. A pipe is opened once only: its reader
        /// takes the end of the first writer for the end of the report.
        case stream(Int32, name: String)
    }

    private let place: Place

    /// To `path`, or to stdout without one. Fails now if that can't be written, and not when there
    /// is something to lose. Waits for a pipe's reader.
    package init(_ path: String?) throws {
        var status = stat()
        guard let path, !Self.isStdout(path) else {
            let mode = fcntl(1, F_GETFL)
            guard mode >= 0, mode & O_ACCMODE != O_RDONLY else { throw Failure.output("stdout is closed") }
            place = .stream(1, name: "stdout")
            return
        }
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            let fd = open(path, O_WRONLY | O_CLOEXEC)
            guard fd >= 0 else { throw Self.failure(path) }
            place = .stream(fd, name: path)
        } else {
            let file = try Self.resolve(path)
            try Self.check(file)
            place = .file(file)
        }
    }

    /// Throws if no file could take the place of the one at `path`.
    static func check(_ path: String) throws {
        let part = try part(of: path)
        close(part.fd)
        unlink(part.path)
    }

    /// A file is replaced only by a whole one. If the text can't be written, it goes to stdout, so
    /// that it is not lost.
    package func write(_ text: String) throws {
        do {
            switch place {
            case .file(let path): try Self.replace(path, text)
            case .stream(let fd, let name): try Self.stream(fd, text, name)
            }
        } catch {
            if case .stream(1, _) = place { throw error }
            try? Self.stream(1, text, "stdout")
            throw error
        }
    }

    /// Who reads a pipe may be slow, or asleep.
    private static func stream(_ fd: Int32, _ text: String, _ name: String) throws {
        vms_restore_signals()
        try Console.write(fd, text, to: name)
    }

    /// /dev/stdout, or the file that the shell opened as stdout: the command writes there, too.
    private static func isStdout(_ path: String) -> Bool {
        var (one, other) = (stat(), stat())
        guard stat(path, &one) == 0, fstat(1, &other) == 0 else { return false }
        return one.st_dev == other.st_dev && one.st_ino == other.st_ino
    }

    /// What is replaced is the file that a link stands for, not the link.
    private static func resolve(_ path: String) throws -> String {
        var status = stat()
        if !path.isEmpty, lstat(path, &status) != 0 { return path }
        guard let target = realpath(path, nil) else { throw failure(path) }
        defer { free(target) }
        return String(cString: target)
    }

    /// - Parameter durably: whoever finds it after a crash finds one of the two whole.
    static func replace(_ path: String, _ text: String, durably: Bool = false) throws {
        let part = try part(of: path)
        do {
            let written = Result {
                try Console.write(part.fd, text, to: path)
                if durably, fsync(part.fd) != 0 { throw failure(path) }
            }
            let closed = close(part.fd)  // where a network's file system says that it is full
            try written.get()
            guard closed == 0, rename(part.path, path) == 0 else { throw failure(path) }
        } catch {
            unlink(part.path)
            throw error
        }
    }

    /// A new file beside `path`, which a rename can put in its place.
    private static func part(of path: String) throws -> (fd: Int32, path: String) {
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "./"
        var name = Array("\(folder).vmascope-XXXXXX".utf8CString)
        let fd = vms_temporary_file(&name)
        guard fd >= 0 else { throw failure(path) }
        return (fd, name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }

    private static func failure(_ path: String) -> Failure {
        .output("\(path): \(String(cString: strerror(errno)))")
    }
}
