/// The processes that `vmascope system` watches: those that fulfil all conditions that are set.
public struct ProcessFilter: Sendable {
    /// Only processes in this cgroup, or below it.
    public var cgroup: String?
    /// Whether a comm is let through; nil lets all through.
    public var command: (@Sendable (String) -> Bool)?
    /// Only processes of this effective user.
    public var uid: UInt32?

    /// The path of the cgroup is taken with or without `/` at either end.
    public init(cgroup: String? = nil, command: (@Sendable (String) -> Bool)? = nil, uid: UInt32? = nil) {
        self.cgroup = cgroup.map { path in
            let trimmed = path.reversed().drop { $0 == "/" }.reversed()
            return (trimmed.first == "/" ? "" : "/") + String(trimmed)
        }
        self.command = command
        self.uid = uid
    }

    /// Whether every process passes.
    public var isOpen: Bool { cgroup == nil && command == nil && uid == nil }

    /// Whether a process passes the filter.
    public func matches(_ process: ProcessStock) -> Bool {
        if let uid, process.uid != uid { return false }
        if let command, !command(process.command) { return false }
        guard let cgroup else { return true }
        guard let path = process.cgroup else { return false }
        return cgroup == "/" || path == cgroup || path.hasPrefix(cgroup + "/")
    }
}
