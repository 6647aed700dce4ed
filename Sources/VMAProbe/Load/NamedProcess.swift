import CSystem
import Glibc
import VMACore

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
    /// Nanoseconds for the arguments of one process, and of all.
    private static let (patience, wholePatience): (UInt64, UInt64) = (200_000_000, 4_000_000_000)

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

    /// The processes of a machine.
    public struct Found: Sendable {
        public var processes: [NamedProcess]
        /// How many of them did not let their arguments be read in time.
        public var unread: Int
    }

    /// What a process can't delay: all but its arguments. Nil if there is no such process, or it has exited.
    private init?(_ pid: Int32) {
        guard let command = ProcFile.text("/proc/\(pid)/comm") else { return nil }
        self.init(
            pid: pid, command: command, arguments: [], executable: Self.executable(pid),
            hasAddressSpace: ProcFile.status(pid, "VmSize") != nil)
    }

    private mutating func take(_ bytes: [UInt8]) {
        let words = bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        let arguments = words.last == "" ? words.dropLast() : words
        self = NamedProcess(
            pid: pid, command: command, arguments: Array(arguments), executable: Self.executable(pid),
            hasAddressSpace: hasAddressSpace)
    }

    /// All processes that can be looked at, but for this one, by pid.
    public static func all() -> Found {
        let own = getpid()
        var found = Found(
            processes: ProcFile.entries("/proc").compactMap { Int32($0) }.sorted().filter { $0 != own }
                .compactMap { NamedProcess($0) }, unread: 0)
        let users = found.processes.map { Target.share($0.pid) ?? 0 }
        let reader = ProcReader()
        let end = vms_monotonic_ns() + wholePatience
        // Each process can delay its answer: those of one user do not come before all others'.
        for index in turns(users) where found.processes[index].hasAddressSpace {
            guard vms_monotonic_ns() < end,
                case .arguments(let bytes)? = reader.answer(
                    .arguments, UInt32(found.processes[index].pid), within: patience)
            else {
                found.unread += 1
                continue
            }
            found.processes[index].take(bytes)
        }
        return found
    }

    /// The order in which processes are asked: of each user one, and so on.
    static func turns(_ users: [UInt32]) -> [Int] {
        var rounds: [UInt32: Int] = [:]
        let turns = users.enumerated().map { index, user in
            defer { rounds[user, default: 0] += 1 }
            return (round: rounds[user, default: 0], user: user, index: index)
        }
        return turns.sorted { ($0.round, $0.user) < ($1.round, $1.user) }.map(\.index)
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
