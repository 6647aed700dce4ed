import Testing
import VMACore

@Suite("A container")
struct ContainerTests {
    private static let id = String(repeating: "0123456789abcdef", count: 4)
    private static let other = String(repeating: "f", count: 64)
    private static let uid = "0a1b2c3d-0001-0002-0003-0123456789ab"
    private static let hash = "0123456789abcdef0123456789abcdef"
    private static let underscored = "0a1b2c3d_0001_0002_0003_0123456789ab"

    static let pods: [(String, String?)] = [
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(underscored).slice/cri-containerd-\(id).scope", uid),
        ("/kubepods.slice/kubepods-pod\(underscored).slice/crio-\(id).scope/sub/group", uid),
        ("/kubepods/besteffort/pod\(uid)/\(id)", uid),
        ("/kubelet/kubepods/pod\(hash)/\(id)", hash),
        ("/docker/\(id)", nil),
        ("/docker/\(id)/kubelet.slice/kubepods/pod\(uid)/\(other)", nil),
        ("/system.slice/docker-\(id).scope", nil),
        ("/machine.slice/libpod-\(id).scope/container", nil),
        ("/libpod_parent/libpod-\(id)", nil),
        ("/kubepods/burstable/pod\(uid)/crio-\(id)", uid),
    ]

    @Test("is known by the path of its cgroup", arguments: pods)
    func path(_ path: String, _ podUID: String?) throws {
        let container = try #require(Container(cgroup: path))
        #expect(container.id == Self.id && container.podUID == podUID && container.path == nil)
    }

    @Test(
        "is in no other path, and in none that a user or a service makes",
        arguments: [
            "", "/", "/system.slice/nginx.service", "/user.slice/user-1000.slice/user@1000.service/x/docker-\(id).scope",
            "/system.slice/x.service/\(id)", "/machine.slice/libpod-conmon-\(id).scope",
            "/libpod_parent/libpod-conmon-\(id)", "/docker/\(id.dropLast())",
            "/docker/\(id)0", "/docker/\(id.uppercased())", "/x/\(id).slice", "/kubepods/pod\(uid)", "/.scope", "/-.scope",
            "/user.slice/libpod-\(id).scope",
        ])
    func others(_ path: String) { #expect(Container(cgroup: path) == nil) }

    @Test("has a path of the names that are known")
    func names() throws {
        var container = try #require(Container(cgroup: "/docker/\(Self.id)"))
        container.name = "web"
        #expect(container.path == "web")
        (container.pod, container.namespace) = ("web-0", "shop")
        #expect(container.path == "shop/web-0/web")
    }
}
