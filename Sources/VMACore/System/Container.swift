/// The container that a process runs in: what the path of its cgroup says, and the names that somebody has found for it.
public struct Container: Sendable, Hashable {
    /// 64 hexadecimal digits.
    public let id: String
    /// The uid that Kubernetes gave the container's pod; nil outside of a pod.
    public let podUID: String?
    /// Nil until the name is known.
    public var name: String?
    /// The name of the Kubernetes pod; nil outside of a pod, and until it is known.
    public var pod: String?
    /// The Kubernetes namespace of the pod; nil outside of a pod, and until it is known.
    public var namespace: String?

    /// Nil if the path is not that of a container.
    ///
    /// The outermost container counts: whoever may make cgroups within a container chooses the names of those. For the
    /// same reason nothing counts within a service or a user's slice.
    ///
    /// - Parameter path: in the cgroup hierarchy, as in /proc/PID/cgroup.
    public init?(cgroup path: String) {
        var pod: String?
        for part in path.utf8.split(separator: UInt8(ascii: "/")) {
            if part.elementsEqual("user.slice".utf8) || Self.ends(part, ".service") { return nil }
            if let id = Self.id(part) {
                (self.id, podUID) = (id, pod)
                return
            }
            pod = pod ?? Self.podUID(part)
        }
        return nil
    }

    /// `NAMESPACE/POD/CONTAINER` as far as it is known; nil without a name.
    public var path: String? {
        let names = [namespace, pod, name].compactMap { $0 }
        return names.isEmpty ? nil : names.joined(separator: "/")
    }

    private typealias Part = Substring.UTF8View

    private static func ends(_ part: Part, _ suffix: String) -> Bool { part.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a") ... UInt8(ascii: "f")).contains(byte)
    }

    /// `ID` or `RUNTIME-ID`, as runtimes name cgroups themselves, or `RUNTIME-ID.scope`, as they have systemd name
    /// them. `RUNTIME-conmon-ID` holds the process that watches the container.
    private static func id(_ part: Part) -> String? {
        let scope = ".scope"
        var part = ends(part, scope) ? part.dropLast(scope.utf8.count) : part
        if let dash = part.lastIndex(of: UInt8(ascii: "-")) {
            guard !ends(part[..<dash], "-conmon") else { return nil }
            part = part[part.index(after: dash)...]
        }
        return part.count == 64 && part.allSatisfy(isHexadecimal) ? String(Substring(part)) : nil
    }

    /// Of `podUID`, or of `kubepods-burstable-podUID.slice` with underscores in place of dashes. The uid of a static
    /// pod is a hash of 32 digits.
    private static func podUID(_ part: Part) -> String? {
        let slice = ".slice"
        let name = ends(part, slice) ? part.dropLast(slice.utf8.count) : part
        for length in [36, 32] where name.count >= length + 3 {
            let uid = name.suffix(length)
            let before = name.dropLast(length)
            guard ends(before, "pod"), before.count == 3 || ends(before.dropLast(3), "-") else { continue }
            let dash = UInt8(ascii: "-")
            let text = uid.map { $0 == UInt8(ascii: "_") ? dash : $0 }
            let digits = text.filter { $0 != dash }
            if digits.count == 32, digits.allSatisfy(isHexadecimal) { return String(decoding: text, as: UTF8.self) }
        }
        return nil
    }
}
