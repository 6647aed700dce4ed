import Glibc
import VMACore

/// The cgroup of each process as a path. The kernel reports an id; /proc/PID/cgroup of the first process that is seen
/// in the cgroup gives its path.
///
/// Where the unified hierarchy is not used, all processes are in its root. Then the path is that in the hierarchy of
/// systemd or of the memory controller, read for each process by itself.
struct CgroupPaths {
    private var paths: [UInt64: String] = [:]
    private var own: [ProcessKey: String] = [:]
    private var round = 0
    private static let rounds = 16

    /// - Parameter id: the cgroup's id; 0 where there is none.
    mutating func path(_ id: UInt64, of key: ProcessKey) -> String? {
        if let path = paths[id] ?? own[key] { return path }
        let lines = ProcFile.lines("/proc/\(key.pid)/cgroup")
        guard let path = Self.path(lines) else { return nil }
        // The path may be that of another cgroup, if the process was moved meanwhile.
        if lines.count == 1, path != "/", Self.inode(path) == id { paths[id] = path } else { own[key] = path }
        return path
    }

    /// Drops cgroups that no process is in any more, and each time a part of the paths that were read from one
    /// process by itself, since the process may be moved.
    mutating func keep(_ ids: Set<UInt64>, _ keys: Set<ProcessKey>) {
        round = (round + 1) % Self.rounds
        paths = paths.filter { ids.contains($0.key) }
        own = own.filter { keys.contains($0.key) && Int($0.key.pid) % Self.rounds != round }
    }

    static func path(_ lines: [Substring]) -> String? {
        // hierarchy:controllers:path
        let found = lines.compactMap { line -> (kind: Substring, path: String)? in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            return fields.count == 3 ? (fields[1], String(fields[2])) : nil
        }
        let ranked = ["", "name=systemd", "memory"].compactMap { kind in found.first { $0.kind == kind }?.path }
        return ranked.first { $0 != "/" } ?? ranked.first
    }

    /// On 64 bit the inode number of a cgroup's folder is its id (kernfs_ino).
    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return stat("/sys/fs/cgroup" + path, &status) == 0 ? UInt64(status.st_ino) : nil
    }
}
