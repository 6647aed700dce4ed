/// Which processes `vmascope system` looks at: those that fulfil all that is said.
public struct ProcessFilter: Sendable {
    /// This cgroup and those below it.
    public var cgroup: String?
    /// A pattern as the shell's: `*`, `?`, `[a-z]`, `[!a]`, and `\` before what is meant as it is.
    public var command: String?
    /// Effective.
    public var uid: UInt32?

    public init(cgroup: String? = nil, command: String? = nil, uid: UInt32? = nil) {
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
        if let command, !Self.matches(process.command, command) { return false }
        guard let cgroup else { return true }
        guard let path = process.cgroup else { return false }
        return cgroup == "/" || path == cgroup || path.hasPrefix(cgroup + "/")
    }

    /// fnmatch(3), for a comm: at most 15 bytes.
    static func matches(_ text: String, _ pattern: String) -> Bool {
        matches(Array(text.unicodeScalars)[...], Array(pattern.unicodeScalars)[...])
    }

    private static func matches(_ text: ArraySlice<Unicode.Scalar>, _ pattern: ArraySlice<Unicode.Scalar>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        let rest = pattern.dropFirst()
        if first == "*" {
            // Several in a row are one, and one at the end takes the rest.
            let after = rest.drop { $0 == "*" }
            return after.isEmpty || text.indices.contains { matches(text[$0...], after) }
        }
        guard let scalar = text.first else { return false }
        switch first {
        case "?": return matches(text.dropFirst(), rest)
        case "[":
            if let (isIn, after) = set(scalar, rest) { return isIn && matches(text.dropFirst(), after) }
        case "\\":
            if let escaped = rest.first { return scalar == escaped && matches(text.dropFirst(), rest.dropFirst()) }
        default: break
        }
        return scalar == first && matches(text.dropFirst(), rest)
    }

    /// Whether `scalar` is in the set that `pattern` begins with, and what comes after it; nil if it is
    /// not closed.
    private static func set(
        _ scalar: Unicode.Scalar, _ pattern: ArraySlice<Unicode.Scalar>
    ) -> (isIn: Bool, after: ArraySlice<Unicode.Scalar>)? {
        let isInverse = pattern.first == "!" || pattern.first == "^"
        var rest = isInverse ? pattern.dropFirst() : pattern
        var isIn = false
        var isFirst = true
        while let low = rest.popFirst() {
            if low == "]", !isFirst { return (isIn != isInverse, rest) }
            isFirst = false
            if rest.first == "-", let high = rest.dropFirst().first, high != "]" {
                rest = rest.dropFirst(2)
                isIn = isIn || low <= high && (low ... high).contains(scalar)
            } else {
                isIn = isIn || low == scalar
            }
        }
        return nil
    }
}
