import CSystem
import Glibc
import VMACore
import VMAReport

/// A terminal with a table that is redrawn, and single keys. The terminal's state is restored however this ends,
/// except by SIGKILL.
final class Screen {
    private let host: SystemHost
    private let text: SystemText
    private var sort = SystemSort.vmas
    private var interval: SystemInterval?
    /// The state of stdin; nil if it is no terminal, and there are no keys.
    private var before: termios?
    private var isOpen = false

    private static let alternate = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l"
    private static let normal = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

    /// Nil where stdout is no terminal, or one that can't move its cursor.
    init?(_ host: SystemHost, _ text: SystemText) {
        guard isatty(1) == 1, let kind = getenv("TERM"), String(cString: kind) != "dumb", kind.pointee != 0 else { return nil }
        self.host = host
        self.text = text
    }

    deinit { close() }

    func show(_ interval: SystemInterval) throws {
        self.interval = interval
        try open()
        try draw()
    }

    private func open() throws {
        guard !isOpen else { return }
        isOpen = true
        var mode = termios()
        if isatty(0) == 1, tcgetattr(0, &mode) == 0 {
            before = mode
            mode.c_lflag &= ~tcflag_t(ICANON | ECHO)
            mode.c_iflag &= ~tcflag_t(IXON)
            // Ctrl-C stays a signal. Stopping vmascope, or dumping its core, would leave the screen behind.
            withUnsafeMutableBytes(of: &mode.c_cc) { keys in
                (keys[Int(VSUSP)], keys[Int(VQUIT)]) = (0, 0)
                (keys[Int(VMIN)], keys[Int(VTIME)]) = (0, 0)
            }
            tcsetattr(0, TCSANOW, &mode)
        }
        try Console.write(1, Self.alternate, to: "stdout")
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        try? Console.write(1, Self.normal, to: "stdout")
        if var before { tcsetattr(0, TCSANOW, &before) }
    }

    func draw() throws {
        guard isOpen, let interval else { return }
        var (columns, rows): (Int32, Int32) = (0, 0)
        if vms_terminal_size(1, &columns, &rows) != 0 || columns < 1 || rows < 1 { (columns, rows) = (80, 24) }
        let lines = text.screen(host, interval, sort, width: Int(columns), height: Int(rows))
        // Each line begins by clearing the old one: at its end the cursor may stand on its last character. There is
        // no newline after the last line, since that would scroll.
        let frame = lines.map { "\u{1b}[K\($0)" }.joined(separator: "\r\n")
        try Console.write(1, "\u{1b}[H\(frame)", to: "stdout")
    }

    // MARK: keys

    var polled: [pollfd] { before == nil ? [] : [pollfd(fd: 0, events: Int16(POLLIN), revents: 0)] }

    /// Returns true if `system` is to end: by `q`, or because the terminal has gone.
    func obeyKeys() throws -> Bool {
        guard before != nil else { return false }
        var terminal = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
        guard poll(&terminal, 1, 0) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 64)
        let got = read(0, &buffer, buffer.count)
        guard got > 0 else { return got == 0 || errno != EINTR && errno != EAGAIN }
        // An arrow or the like, which begins with an escape.
        for byte in buffer[..<got].prefix(while: { $0 != 0x1b }) {
            if byte == UInt8(ascii: "q") { return true }
            guard let sort = SystemSort.of(Character(Unicode.Scalar(byte))) else { continue }
            self.sort = sort
            try draw()
        }
        return false
    }
}
