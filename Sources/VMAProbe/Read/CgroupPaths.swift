import Glibc
import VMACore

/// The cgroup of each process as a path. The kernel tells an id; /proc/PID/cgroup of the first process
/// that is seen in it tells its path.
///
/// Where the unified hierarchy is not used, all processes are in its root: then it is the path in
/// the hierarchy that systemd or the memory controller keeps, of each process by itself.
struct CgroupPaths {
    private var paths: [UInt64: String] = [:]
    private var own: [ProcessKey: String] = [:]
    private var round = 0
    private static let rounds = 16

    /// - Parameter id: 0 where there is none.
    mutating func path(_ id: UInt64, of key: ProcessKey) -> String? {
        if let path = paths[id] ?? own[key] { return path }
        let lines = ProcFile.lines("/proc/\(key.pid)/cgroup")
        guard let path = Self.path(lines) else { return nil }
        // What it says may be of another one, if the process was moved meanwhile.
        if lines.count == 1, path != "/", Self.inode(path) == id { paths[id] = path } else { own[key] = path }
        return path
    }

    /// Forgets those that nobody is in any more, and of what one process said by itself a part each
    /// time, since it may be moved.
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
