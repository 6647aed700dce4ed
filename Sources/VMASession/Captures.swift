import CSystem
import Glibc
import VMACore
import VMAProbe
import VMAReport

/// The recordings of `system --capture`: an `attach` of its own for one process at a time, into a directory that keeps
/// a bounded number of them.
final class Captures {
    private let settings: CaptureSettings
    private let folder: Folder
    private var plan: CapturePlan
    /// The files that are kept, oldest first, without their endings.
    private var kept: [Kept] = []
    private var current: Current?
    /// The captures since the start, oldest first: those whose files are kept.
    private(set) var all: [Capture] = []
    /// How many were begun since the start, by reason.
    private(set) var counts: [CapturePlan.Reason: Int] = [:]

    private struct Kept {
        var name: String
        /// Who stands for the process (`UserShares`).
        var user: UInt32
    }

    private struct Current {
        var name: String
        var pid: Int32
        /// Its stderr.
        var errors: Int32
        /// When it is ended by force, CLOCK_MONOTONIC nanoseconds.
        var deadline: UInt64
    }

    /// Nanoseconds beyond `--capture-for`: attaching takes seconds, and so do the names of functions in the end.
    private static let patience: UInt64 = 60_000_000_000
    /// Bytes that are read of a report, and of what a capture has to say.
    private static let (reportBytes, errorBytes) = (4 << 10, 4 << 10)
    private static let endings = [".vmt", ".txt"]
    /// Bytes of a recording.
    private static let mostBytes: UInt64 = 256 << 20

    /// Throws if others than vmascope's own user may write to the directory, or if it can't be written.
    init(_ settings: CaptureSettings) throws {
        self.settings = settings
        let path = settings.folder
        folder = try Folder(path, for: "--capture \(path)")
        var status = stat()
        guard fstat(folder.fd, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure.output("--capture \(path): not a directory")
        }
        // Who may write there can put links in place of recordings, and take them away.
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw Failure.output("--capture \(path): others may write there; use a directory of your own, with mode 0700")
        }
        try folder.check("--capture \(path)")
        plan = CapturePlan(within: settings.within)
        kept = Self.names(in: path)
    }

    // MARK: files

    /// Recordings that an earlier `system` has left, by their names, oldest first.
    private static func names(in path: String) -> [Kept] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var found: [Kept] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(endings[0]), let file = kept(String(name.dropLast(endings[0].count))) { found.append(file) }
        }
        return found.sorted { time($0.name) < time($1.name) }
    }

    /// Nil if it is no name that `begin` gives.
    private static func kept(_ name: String) -> Kept? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, UInt32(parts[1]) != nil, let user = UInt32(parts[2]), parts[3].utf8.count == 16,
            parts[3].utf8.last == UInt8(ascii: "Z")
        else { return nil }
        return Kept(name: name, user: user)
    }

    private static func time(_ name: String) -> Substring { name.split(separator: "-").last ?? "" }

    /// `redis_server-812-33-20261129T031502Z`: a process chooses its name.
    static func name(_ command: String, _ pid: UInt32, _ user: UInt32, at time: String) -> String {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
                UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        let plain = command.utf8.prefix(32).map { isPlain($0) ? $0 : UInt8(ascii: "_") }
        let digits = time.utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        let first = plain.isEmpty ? "_" : String(decoding: plain, as: UTF8.self)
        return "\(first)-\(pid)-\(user)-\(String(decoding: digits, as: UTF8.self))"
    }

    private func path(_ name: String) -> String {
        settings.folder + (settings.folder.utf8.last == UInt8(ascii: "/") ? "" : "/") + name
    }

    /// Makes room for one more: of the user who has most recordings the oldest goes, with its report.
    private func makeRoom() {
        while kept.count >= settings.most {
            let counts = kept.reduce(into: [UInt32: Int]()) { $0[$1.user, default: 0] += 1 }
            let most = counts.values.max() ?? 0
            let place = kept.firstIndex { counts[$0.user] == most } ?? 0
            let name = kept.remove(at: place).name
            for ending in Self.endings { unlinkat(folder.fd, name + ending, 0) }
            all.removeAll { $0.path == path(name) + Self.endings[0] }
        }
    }

    // MARK: one capture

    /// Begins a capture if one is due and none is being made. Returns a line for people, or nil.
    func begin(_ interval: SystemInterval, since startTime: UInt64) -> String? {
        guard current == nil else { return nil }
        var refused: [UInt32: UInt64] = [:]
        for row in interval.refused ?? [] where row.verdict.reason == .mapLimit {
            refused[row.pid] = max(refused[row.pid] ?? 0, startTime + UInt64(row.last * 1e9))
        }
        guard
            let choice = plan.next(
                interval.processes, limit: interval.limit, near: interval.warned, refused: refused, at: interval.time)
        else { return nil }
        makeRoom()
        let time = Clock.now
        let name = Self.name(choice.process.command, choice.process.pid, choice.process.share, at: time)
        var capture = Capture(choice, started: time, path: path(name) + Self.endings[0])
        counts[choice.reason, default: 0] += 1
        do {
            try start(name, choice.process.pid)
            kept.append(Kept(name: name, user: choice.process.share))
            all.append(capture)
            return nil
        } catch {
            capture.state = .failed(error.message)
            all.append(capture)
            if all.count > settings.most { all.removeFirst() }
            return SystemText.failed(capture)
        }
    }

    private func start(_ name: String, _ pid: UInt32) throws(Failure) {
        let words = [
            "vmascope", "attach", "--pid", "\(pid)", "--duration", "\(settings.seconds)s", "--record",
            name + Self.endings[0], "--output", name + Self.endings[1], "--format", "text",
        ]
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var errors: Int32 = -1
        let child = vms_spawn_command(&arguments, folder.fd, Self.mostBytes, &errors)
        guard child > 0 else { throw Failure.output(String(cString: strerror(-child))) }
        let length = UInt64(settings.seconds * 1e9)
        current = Current(name: name, pid: child, errors: errors, deadline: vms_monotonic_ns() &+ length &+ Self.patience)
    }

    /// Looks whether the capture has ended. Returns lines for people.
    func advance(_ now: UInt64) -> [String] {
        guard let running = current else { return [] }
        var status: Int32 = 0
        guard waitpid(running.pid, &status, WNOHANG) != 0 else {
            if now >= running.deadline { kill(running.pid, SIGKILL) }
            return []
        }
        current = nil
        defer { close(running.errors) }
        let report = Self.head(openat(folder.fd, running.name + Self.endings[1], O_RDONLY | O_NOFOLLOW | O_CLOEXEC))
        guard let place = all.firstIndex(where: { $0.path == path(running.name) + Self.endings[0] }) else { return [] }
        let isWhole = status & 0x7f == 0 && (status >> 8) & 0xff == 0
        all[place].state = isWhole ? .done : .failed(Self.reason(running.errors, status))
        return isWhole ? SystemText.captured(all[place], settings.seconds, report) : [SystemText.failed(all[place])]
    }

    /// Ends the capture early; what was recorded is kept.
    func stop() { if let current { kill(current.pid, SIGTERM) } }

    /// Waits a second for a capture that was stopped, then kills it and waits for one more at most. Returns lines for people.
    func finish() -> [String] {
        for _ in 0 ..< 2 {
            for _ in 0 ..< 100 where current != nil {
                let lines = advance(0)
                if current == nil { return lines }
                usleep(10_000)
            }
            if let current { kill(current.pid, SIGKILL) }
        }
        return []
    }

    /// The lines of a report before its first empty one, its answer; none where it can't be read.
    private static func head(_ fd: Int32) -> [String] {
        guard fd >= 0 else { return [] }
        defer { close(fd) }
        let lines = text(fd, most: reportBytes).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.prefix { !$0.isEmpty }.prefix(6).map { String($0) }
    }

    /// The last line that it said.
    private static func reason(_ errors: Int32, _ status: Int32) -> String {
        let size = lseek(errors, 0, SEEK_END)
        lseek(errors, max(0, size - off_t(errorBytes)), SEEK_SET)
        let last = text(errors, most: errorBytes).split(separator: "\n").last.map { String($0) } ?? ""
        if status & 0x7f != 0 { return "it was ended by signal \(status & 0x7f)" }
        let prefix = "vmascope: "
        let words = last.hasPrefix(prefix) ? String(last.dropFirst(prefix.count)) : last
        return words.isEmpty ? "status \((status >> 8) & 0xff)" : words
    }

    private static func text(_ fd: Int32, most: Int) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: most)
        while bytes.count < most {
            let got = read(fd, &buffer, most - bytes.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            bytes += buffer[..<got]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
