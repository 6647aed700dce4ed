import CSystem
import Glibc
import VMAReport

/// stdout and stderr by write(2): the C streams are global variables, which Swift 6 refuses.
package enum Console {
    /// Prints one line on stderr. Processes choose their names: characters that would control the terminal are spelt
    /// out.
    package static func warn(_ line: String) {
        try? write(2, "vmascope: \(Fit.printable(line))\n", to: "stderr")
    }

    package static func exit(_ status: Int32) -> Never { Glibc.exit(status) }

    static var isInteractive: Bool { isatty(2) == 1 }

    /// Whether to use colours: only on a terminal, and only if the user has not asked for none (no-color.org).
    package static var wantsColour: Bool { isatty(1) == 1 && (getenv("NO_COLOR").map { $0.pointee == 0 } ?? true) }

    static func write(_ fd: Int32, _ text: String, to name: String) throws {
        var text = text
        try text.withUTF8 { try write(fd, $0, to: name) }
    }

    static func write(_ fd: Int32, _ bytes: [UInt8], to name: String) throws {
        try bytes.withUnsafeBufferPointer { try write(fd, $0, to: name) }
    }

    private static func write(_ fd: Int32, _ bytes: UnsafeBufferPointer<UInt8>, to name: String) throws {
        var done = 0
        while done < bytes.count {
            let size = vms_wait_to_write(fd, bytes.count - done)
            guard size > 0 else { throw Failure.output("writing \(name): nobody reads it") }
            let wrote = Glibc.write(fd, bytes.baseAddress! + done, size)
            if wrote < 0, errno == EINTR { continue }
            guard wrote > 0 else { throw Failure.output("writing \(name): \(String(cString: strerror(errno)))") }
            done += wrote
        }
    }
}
