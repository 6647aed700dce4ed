/// Which processes `vmascope system` looks at: those that fulfil all that is said.
public struct ProcessFilter: Sendable {
    /// This cgroup and those below it.
    public var cgroup: String?
    /// Whether a comm is let through; nil lets all through.
    public var command: (@Sendable (String) -> Bool)?
    /// Effective.
    public var uid: UInt32?

    public init(cgroup: String? = nil, command: (@Sendable (String) -> Bool)? = nil, uid: UInt32? = nil) {
        self.cgroup = cgroup.map { path in
            let trimmed = path.reversed().drop { $0 == "/" }.reversed()
            return (trimmed.first == "/" ? "" : "/") + String(trimmed)
        }
        self.command = command
        self.uid = uid
    }

    /// Whether there is anything that it does not let through.
    public var isOpen: Bool { cgroup == nil && command == nil && uid == nil }

    public func matches(_ process: ProcessStock) -> Bool {
        if let uid, process.uid != uid { return false }
        if let command, !command(process.command) { return false }
        guard let cgroup else { return true }
        guard let path = process.cgroup else { return false }
        return cgroup == "/" || path == cgroup || path.hasPrefix(cgroup + "/")
    }
}
