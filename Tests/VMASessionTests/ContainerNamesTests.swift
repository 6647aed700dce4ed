import Foundation
import Testing
import VMACore

@testable import VMASession

@Suite("Names of containers")
struct ContainerNamesTests {
    private static let ids = (0 ..< 40).map { "\(1000 + $0)" + String(repeating: "a", count: 60) }

    /// A root with such files, which are gone after the test.
    private final class Root {
        let path = NSTemporaryDirectory() + "root-\(UUID().uuidString)"
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ file: String, _ text: String = "") throws {
            let url = URL(fileURLWithPath: path + file)
            try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
    }

    private func processes(_ ids: some Sequence<String>) -> [ProcessStock] {
        ids.enumerated().map { number, id in
            ProcessStock(
                key: ProcessKey(pid: UInt32(number), started: 1), command: "x", cgroup: "/docker/\(id)", vmas: 1, countedAt: 0)
        }
    }

    private func path(_ names: inout ContainerNames, _ id: String) -> String? {
        var all = processes([id])
        names.name(&all)
        return all[0].container?.path
    }

    private static func bundle(_ id: String) -> String {
        "/run/containerd/io.containerd.runtime.v2.task/k8s.io/\(id)/config.json"
    }

    @Test("are found in the files of each runtime")
    func files() throws {
        let root = Root()
        let ids = Self.ids
        try root.write("/var/log/containers/web-0_shop_nginx-\(ids[0]).log")
        try root.write(
            Self.bundle(ids[1]),
            #"{"process":{"env":["annotations"]},"annotations":{"io.kubernetes.cri.container-name":"redis","#
                + #""io.kubernetes.cri.sandbox-name":"redis-1","io.kubernetes.cri.sandbox-namespace":"db"}}"#)
        try root.write(
            "/run/containers/storage/overlay-containers/\(ids[2])/userdata/config.json",
            #"{"annotations":{"io.kubernetes.container.name":"a","io.kubernetes.pod.name":"b","io.kubernetes.pod.namespace":"c"}}"#
        )
        try root.write("/var/lib/docker/containers/\(ids[3])/config.v2.json", #"{"Name":"/proud_noether"}"#)
        try root.write(
            "/var/lib/containers/storage/overlay-containers/containers.json", #"[{"id":"x"},{"id":"\#(ids[4])","names":["pod"]}]"#
        )
        try root.write(
            "/var/lib/containers/storage/vfs-containers/volatile-containers.json", #"[{"id":"\#(ids[5])","names":["web"]}]"#)
        var names = ContainerNames(root: root.path)
        var all = processes(ids[..<7])
        names.name(&all)
        #expect(
            all.map { $0.container?.path } == [
                "shop/web-0/nginx", "db/redis-1/redis", "c/b/a", "proud_noether", "pod", "web", nil,
            ])
    }

    @Test("are no other text than a name may be")
    func hostile() throws {
        let root = Root()
        let bad = ["\u{1b}[2J", "a b", "", String(repeating: "a", count: 254), "a\"b", "ä", "x\u{202e}"]
        for (id, name) in zip(Self.ids, bad) {
            let text = String(decoding: try JSONEncoder().encode(["Name": "/" + name]), as: UTF8.self)
            try root.write("/var/lib/docker/containers/\(id)/config.v2.json", text)
        }
        for file in [
            "a_b_c.log", "a_b_c-\(Self.ids[7])", "a_b-\(Self.ids[7]).log", "_b_c-\(Self.ids[7]).log",
            "a b_c_d-\(Self.ids[7]).log",
        ] {
            try root.write("/var/log/containers/" + file)
        }
        for text in ["", "[", "null", #"{"annotations":7}"#, String(repeating: "[", count: 100_000)] {
            try root.write(Self.bundle(Self.ids[7]), text)
            var names = ContainerNames(root: root.path)
            #expect(path(&names, Self.ids[7]) == nil)
        }
        for id in Self.ids.prefix(bad.count) {
            var names = ContainerNames(root: root.path)
            #expect(path(&names, id) == nil)
        }
    }

    @Test("are not read from a link, a pipe, or a file without an end", .timeLimit(.minutes(1)))
    func places() throws {
        let root = Root()
        let name = #"{"annotations":{"io.kubernetes.cri.container-name":"x"}}"#
        try root.write("/elsewhere", name)
        for id in Self.ids[..<4] { try root.write(Self.bundle(id) + ".beside") }
        symlink(root.path + "/elsewhere", root.path + Self.bundle(Self.ids[0]))
        mkfifo(root.path + Self.bundle(Self.ids[1]), 0o600)
        symlink("/dev/zero", root.path + Self.bundle(Self.ids[2]))
        try root.write(Self.bundle(Self.ids[3]), name + String(repeating: " ", count: 1 << 20))
        for id in Self.ids[..<4] {
            var names = ContainerNames(root: root.path)
            #expect(path(&names, id) == nil)
        }
    }

    @Test("are looked for a few at a time, and again if they come late")
    func pace() throws {
        let root = Root()
        for id in Self.ids { try root.write("/var/lib/docker/containers/\(id)/config.v2.json", #"{"Name":"/x"}"#) }
        var names = ContainerNames(root: root.path)
        var named: [Int] = []
        for _ in 0 ..< 6 {
            var all = processes(Self.ids)
            names.name(&all)
            named.append(all.count { $0.container?.name != nil })
        }
        #expect(named == [8, 16, 24, 32, 40, 40])
        let late = String(repeating: "b", count: 64)
        #expect(path(&names, late) == nil)
        try root.write("/var/log/containers/p_n_c-\(late).log")
        let later = (0 ..< 13).map { _ in path(&names, late) }
        #expect(later.first == .some(nil) && later.last == "n/p/c")
    }
}
