import Glibc

/// Processes as people name them: by pid, or by the name of the program.
///
/// A program has three names, and each is found: its comm (`/proc/PID/comm`, 15 bytes), the last part of its
/// first argument, and that of its executable's path.
public struct NamedProcess: Equatable, Sendable {
    public var pid: Int32
    public var command: String
    /// Its arguments, with spaces between them, at most `lineLimit` bytes; empty for kernel threads.
    public var line: String
    /// A kernel thread, and a process that is gone and not yet waited for, have none.
    public var hasAddressSpace: Bool
    private var names: [String]

    static let lineLimit = 200
    /// Nanoseconds for the arguments of one process.
    private static let patience: UInt64 = 500_000_000

    public init(pid: Int32, command: String, arguments: [String], executable: String?, hasAddressSpace: Bool = true) {
        self.pid = pid
        self.command = command
        self.hasAddressSpace = hasAddressSpace
        line = String(decoding: arguments.joined(separator: " ").utf8.prefix(Self.lineLimit), as: UTF8.self)
        // A daemon may write its state behind its name: `redis-server *:6379`, `nginx: worker process`.
        let first = arguments.first?.split(whereSeparator: { $0 == " " || $0 == ":" }).first.map(String.init)
        names = [command] + [first, executable].compactMap { $0.map(Self.lastPart) }
    }

    public func isNamed(_ name: String) -> Bool { names.contains(name) }

    private static func lastPart(_ path: String) -> String {
        String(path.split(separator: "/", omittingEmptySubsequences: true).last ?? "")
    }

    // MARK: /proc

    /// Nil if there is no such process, or it has exited.
    init?(_ pid: Int32, _ reader: ProcReader) {
        guard let command = ProcFile.text("/proc/\(pid)/comm") else { return nil }
        var bytes: [UInt8] = []
        if case .arguments(let found)? = reader.answer(.arguments, UInt32(pid), within: Self.patience) { bytes = found }
        let arguments = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        self.init(
            pid: pid, command: command, arguments: arguments.last == "" ? arguments.dropLast() : arguments,
            executable: Self.executable(pid), hasAddressSpace: ProcFile.status(pid, "VmSize") != nil)
    }

    /// All processes that can be looked at, but for this one, by pid.
    public static func all() -> [NamedProcess] {
        let own = getpid()
        let reader = ProcReader()
        return ProcFile.entries("/proc").compactMap { Int32($0) }.sorted().filter { $0 != own }
            .compactMap { NamedProcess($0, reader) }
    }

    private static func executable(_ pid: Int32) -> String? {
        guard let path = ProcFile.link("/proc/\(pid)/exe") else { return nil }
        let deleted = " (deleted)"
        return path.hasSuffix(deleted) ? String(path.dropLast(deleted.count)) : path
    }

    /// The processes with this name. Processes with an address space come before those without one.
    public static func named(_ name: String, among all: [NamedProcess]) -> [NamedProcess] {
        let found = all.filter { $0.isNamed(name) }
        let whole = found.filter(\.hasAddressSpace)
        return whole.isEmpty ? found : whole
    }
}
