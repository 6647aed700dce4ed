import CSystem
import Glibc
import VMACore

/// A command that waits before its first instruction until it is released.
public struct Command: ~Copyable {
    public let pid: Int32
    private let name: String
    private let gate: [Int32]

    /// - Parameter arguments: the command and its arguments.
    public init(_ arguments: [UnsafeMutablePointer<CChar>]) throws(ProbeError) {
        name = String(cString: arguments[0])
        var pid: Int32 = 0
        var gate: [Int32] = [-1, -1]
        let code = vms_spawn(arguments + [nil], &pid, &gate)
        guard code == 0 else { throw .failed("starting \(name): \(String(cString: strerror(code)))") }
        self.pid = pid
        self.gate = gate
    }

    /// Lets the command run. Throws `.notFound` if there is no such command.
    public consuming func release() throws(ProbeError) {
        let code = vms_release(gate)
        // A signal may have ended it while it waited: its status will say so.
        guard code != 0, code != EPIPE else { return }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        let reason = String(cString: strerror(code))
        if code == EACCES || code == EPERM { throw .forbidden("running \(name): \(reason)") }
        throw .notFound("running \(name): \(reason)")
    }
}

/// A process that is running already.
public enum Target {
    /// The process of a pid or thread id. Throws `.notFound` if there is none.
    public static func process(_ id: Int32) throws(ProbeError) -> Int32 {
        guard id > 0, let text = ProcFile.status(id, "Tgid"), let tgid = Int32(text) else {
            throw .notFound("there is no process \(id)")
        }
        return tgid
    }

    /// Throws outside of the host's pid namespace: BPF programs know processes by their ids in the first namespace.
    public static func requireHostProcessIDs() throws(ProbeError) {
        var status = stat()
        guard stat("/proc/self/ns/pid", &status) == 0, status.st_ino != firstNamespace else { return }
        throw .unsupported("run vmascope in the host's pid namespace: process ids mean something else here")
    }

    /// PID_NS_INIT_INO in include/uapi/linux/nsfs.h.
    private static let firstNamespace: ino_t = 0xefff_fffc

    /// Nanoseconds since the process was started, while the machine was awake or not; nil if it has none.
    public static func age(_ pid: Int32) -> UInt64? {
        var now = timespec()
        guard let started = ProcStock.started(UInt32(bitPattern: pid)), clock_gettime(CLOCK_BOOTTIME, &now) == 0 else {
            return nil
        }
        let time = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
        return time > started ? time - started : 0
    }

    public static func command(_ pid: Int32) -> String {
        ProcFile.text("/proc/\(pid)/comm") ?? "?"
    }

    /// The user who stands for a process where room is shared among users (`UserShares`); nil if it has gone.
    public static func share(_ pid: Int32) -> UInt32? {
        // The real user, who started it.
        ProcFile.status(pid, "Uid").flatMap { UInt32($0.prefix { $0 != "\t" && $0 != " " }) }
            .map { UserShares.user($0, namespaceMaker(pid)) }
    }

    /// Who made the outermost user namespace that a process is in, below vmascope's own.
    static func namespaceMaker(_ pid: Int32) -> UserShares.Maker {
        var maker: uid_t = 0
        return switch vms_namespace_maker(pid, &maker) {
        case 0: .nobody
        case 1: .user(maker)
        default: .unknown
        }
    }

    /// Whether there is a process with this id.
    public static func lives(_ pid: Int32) -> Bool { kill(pid, 0) == 0 || errno == EPERM }
}
