import Glibc

/// stdout and stderr by write(2): the C streams are global variables, which Swift 6 refuses.
enum Console {
    static func warn(_ line: String) { try? write(2, "vmascope: \(line)\n", to: "stderr") }

    static func exit(_ status: Int32) -> Never { Glibc.exit(status) }

    static var isInteractive: Bool { isatty(2) == 1 }

    /// Colour only for people, and only if they have not asked for none (no-color.org).
    static var wantsColour: Bool { isatty(1) == 1 && getenv("NO_COLOR") == nil }

    static func write(_ fd: Int32, _ text: String, to name: String) throws {
        var text = text
        try text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let wrote = Glibc.write(fd, bytes.baseAddress! + done, bytes.count - done)
                if wrote < 0, errno == EINTR { continue }
                guard wrote > 0 else { throw Failure.output("writing \(name): \(String(cString: strerror(errno)))") }
                done += wrote
            }
        }
    }

    /// Fails now if `path` can't be written, and not when there is something to lose.
    static func check(path: String?) throws {
        guard let path else { return }
        close(try create(path))
        if isReplaced(path) { unlink(part(path)) }
    }

    /// To `path`, or to stdout without one. A file is replaced only by a whole one; if that
    /// fails, the text goes to stdout, so that it is not lost.
    static func emit(_ text: String, path: String?) throws {
        guard let path else { return try write(1, text, to: "stdout") }
        do {
            let fd = try create(path)
            defer { close(fd) }
            try write(fd, text, to: path)
            if isReplaced(path), rename(part(path), path) != 0 { throw failure(path) }
        } catch {
            try? write(1, text, to: "stdout")
            throw error
        }
    }

    private static func part(_ path: String) -> String { path + ".part" }

    /// Devices and pipes can't be replaced by a rename.
    private static func isReplaced(_ path: String) -> Bool {
        var status = Glibc.stat()
        return lstat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
    }

    private static func create(_ path: String) throws -> Int32 {
        let target = isReplaced(path) ? part(path) : path
        let fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard fd >= 0 else { throw failure(path) }
        return fd
    }

    private static func failure(_ path: String) -> Failure {
        .output("\(path): \(String(cString: strerror(errno)))")
    }
}
