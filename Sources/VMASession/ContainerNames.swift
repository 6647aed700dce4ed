import Glibc
import VMACore
import VMAReport

/// Names of containers, from the files that the kubelet and runtimes keep on their own machine. No API server is asked.
///
/// What stands in these files is in part their users' choice. So only a regular file of limited size is read, a few at
/// each interval, and a name counts only if it has no characters but those that Kubernetes and Docker allow in names.
struct ContainerNames {
    struct Names: Equatable {
        var name: String?
        var pod: String?
        var namespace: String?
    }

    private struct Entry {
        var names: Names?
        /// The next interval at which it is worth looking.
        var due: Int
    }

    /// Before all paths; for tests.
    private let root: String
    private var known: [String: Entry] = [:]
    private var interval = 0

    /// At each interval so many containers are looked for, the files of so many are opened, and a folder is read to
    /// this length.
    private static let lookupLimit = 256
    private static let fileLimit = 8
    private static let folderLimit = 16_384
    private static let sizeLimit = 1 << 20
    /// A container that has no name is looked for again after this many intervals: its files may appear late.
    private static let pause = 12

    init(root: String = "") { self.root = root }

    /// Gives each process's container the names that are known. To be called once an interval, with all processes.
    mutating func name(_ processes: inout [ProcessStock]) {
        interval += 1
        let ids = Set(processes.compactMap { $0.container?.id })
        known = known.filter { ids.contains($0.key) }
        look(for: ids.filter { known[$0].map { $0.names == nil && $0.due <= interval } ?? true }.prefix(Self.lookupLimit))
        for index in processes.indices {
            guard let id = processes[index].container?.id, let names = known[id]?.names else { continue }
            processes[index].container?.name = names.name
            processes[index].container?.pod = names.pod
            processes[index].container?.namespace = names.namespace
        }
    }

    private mutating func look(for ids: some Collection<String>) {
        guard !ids.isEmpty else { return }
        let logs = kubelet()
        var files = 0
        for id in ids {
            var names = logs[id]
            if names == nil {
                // The others have their turn at the next interval.
                guard files < Self.fileLimit else { continue }
                files += 1
                names = annotations(id) ?? docker(id) ?? podman(id)
            }
            known[id] = Entry(names: names, due: interval + Self.pause)
        }
    }

    // MARK: where names are

    /// Where the kubelet keeps logs there is a link for each container: `POD_NAMESPACE_CONTAINER-ID.log`.
    private func kubelet() -> [String: Names] {
        guard let folder = opendir(root + "/var/log/containers") else { return [:] }
        defer { closedir(folder) }
        var found: [String: Names] = [:]
        for _ in 0 ..< Self.folderLimit {
            guard let entry = readdir(folder) else { break }
            let file = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if let (id, names) = Self.names(ofLog: file) { found[id] = names }
        }
        return found
    }

    static func names(ofLog file: String) -> (id: String, names: Names)? {
        guard file.hasSuffix(".log") else { return nil }
        let parts = file.dropLast(4).split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, let dash = parts[2].lastIndex(of: "-") else { return nil }
        let (name, id) = (parts[2][..<dash], parts[2][parts[2].index(after: dash)...])
        guard id.utf8.count == 64, let pod = allowed(parts[0]), let namespace = allowed(parts[1]), let name = allowed(name) else {
            return nil
        }
        return (String(id), Names(name: name, pod: pod, namespace: namespace))
    }

    /// The annotations in the OCI bundle, which containerd's and CRI-O's parts for Kubernetes write.
    private func annotations(_ id: String) -> Names? {
        for path in [
            "/run/containerd/io.containerd.runtime.v2.task/k8s.io/\(id)/config.json",
            "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/\(id)/config.json",
            "/run/containers/storage/overlay-containers/\(id)/userdata/config.json",
        ] {
            guard let values = json(path)?["annotations"] else { continue }
            func value(_ keys: String...) -> String? {
                keys.lazy.compactMap { values[$0]?.string }.first.flatMap { Self.allowed($0) }
            }
            let names = Names(
                name: value("io.kubernetes.cri.container-name", "io.kubernetes.container.name"),
                pod: value("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"),
                namespace: value("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"))
            if names != Names() { return names }
        }
        return nil
    }

    private func docker(_ id: String) -> Names? {
        let name = json("/var/lib/docker/containers/\(id)/config.v2.json")?["Name"]?.string
        return name.flatMap { Self.allowed($0.hasPrefix("/") ? $0.dropFirst() : $0[...]) }.map { Names(name: $0) }
    }

    /// Each of Podman's storage drivers has lists of its own; the second is of containers that go when they end (--rm).
    private func podman(_ id: String) -> Names? {
        for driver in ["overlay", "vfs", "btrfs", "zfs"] {
            for list in ["containers.json", "volatile-containers.json"] {
                let all = json("/var/lib/containers/storage/\(driver)-containers/\(list)")?.array
                let name = all?.first { $0["id"]?.string == id }?["names"]?.array?.first?.string
                if let name = name.flatMap({ Self.allowed($0) }) { return Names(name: name) }
            }
        }
        return nil
    }

    /// The name, if it is one; nil if it has a character that no name has, or is too long.
    static func allowed(_ name: some StringProtocol) -> String? {
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
                UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isName && (1 ... 253).contains(name.utf8.count) ? String(name) : nil
    }

    private func json(_ path: String) -> JSONValue? {
        // A pipe or device in its place is not waited for, and a link is not followed.
        let fd = open(root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.sizeLimit else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let got = pread(fd, &bytes, bytes.count, 0)
        guard got > 0 else { return nil }
        return try? JSONValue(String(decoding: bytes[..<got], as: UTF8.self))
    }
}
