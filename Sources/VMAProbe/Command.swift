import CSystem
import Glibc

/// A command that waits before its first instruction until it is released.
public struct Command: ~Copyable {
    public let pid: Int32
    private let name: String
    private let gate: Int32

    public init(_ arguments: [String]) throws(ProbeError) {
        name = arguments[0]
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var pid: Int32 = 0
        var gate: Int32 = -1
        let code = vms_spawn(pointers, &pid, &gate)
        guard code == 0 else { throw .failed("starting \(arguments[0]): \(String(cString: strerror(code)))") }
        self.pid = pid
        self.gate = gate
    }

    /// Lets it go. Throws `.notFound` if there is no such command.
    public consuming func release() throws(ProbeError) {
        let code = vms_release(gate)
        guard code != 0 else { return }
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

    public static func command(_ pid: Int32) -> String {
        ProcFile.text("/proc/\(pid)/comm") ?? "?"
    }
}
