import Foundation
import Testing

/// A connection to somebody on the loopback.
final class Client {
    let socket: Int32

    init?(_ port: Int) {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if connected != 0 { return nil }
    }

    deinit { close(socket) }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Until the other side closes.
    func receive() -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let got = recv(socket, &buffer, buffer.count, 0), got > 0 { all += buffer[..<got] }
        return String(decoding: all, as: UTF8.self)
    }

    /// The body of an answer, or nil if it is none.
    static func get(_ port: Int, _ path: String) -> String? {
        guard let client = Client(port) else { return nil }
        client.send(Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
        let answer = client.receive()
        guard answer.hasPrefix("HTTP/1.1 200 "), let head = answer.range(of: "\r\n\r\n") else { return nil }
        return String(answer[head.upperBound...])
    }
}

/// Debian's package prometheus, which tools/install-dependencies installs.
@Suite("metrics", .serialized)
struct PrometheusTests {
    /// Starts `vmascope system`, and waits until it serves.
    func serving(_ arguments: String...) throws -> (Victim, port: Int) {
        let arguments = ["system", "--interval", "0.5s", "--listen", "127.0.0.1:0"] + arguments
        let observer = try Victim("env", [Repository.vmascope.path] + arguments)
        func port() -> Int? {
            observer.errors.firstMatch(of: /metrics at http:\/\/127\.0\.0\.1:(\d+)\/metrics\n/).flatMap { Int($0.1) }
        }
        try observer.wait { port() != nil }
        return (observer, try #require(port()))
    }

    private func check(_ text: String) throws {
        let folder = try TemporaryFolder()
        try text.write(toFile: folder.path("metrics"), atomically: true, encoding: .utf8)
        try Shell.must("sh", "-c", "promtool check metrics < \(folder.path("metrics"))")
    }

    @Test("a Prometheus server scrapes them, and answers with what the kernel has")
    func scrape() throws {
        let victim = try Victim(try Victims.idle.get().path("victim"))
        try victim.wait { victim.output.contains("ready") }
        let count = try Shell.must("cat", "/proc/\(victim.pid)/maps").split(separator: "\n").count { !$0.contains("[vsyscall]") }
        let (observer, port) = try serving("--comm", "victim")
        let prometheus = try PrometheusServer(scraping: port)
        func query(_ expression: String) -> [(labels: [String: String], value: String)] {
            prometheus.ask(expression)?.data.result.map { ($0.metric, $0.value.text) } ?? []
        }
        try prometheus.process.wait { !query("vmascope_process_vmas{pid=\"\(victim.pid)\"}").isEmpty }
        let found = try #require(query("vmascope_process_vmas{pid=\"\(victim.pid)\"}").first)
        #expect(found.value == "\(count)" && found.labels["comm"] == "victim" && found.labels["job"] == "vmascope")
        #expect(query("up{job=\"vmascope\"}").map(\.value) == ["1"])
        #expect(query("vmascope_process_vmas{pid=\"\(victim.pid)\"} / on() vmascope_process_vmas_limit > 0.05").count == 1)
        let version = try Vmascope.run(["--version"]).output
        #expect(query("vmascope_build_info").first?.labels["version"].map { version.hasPrefix($0 + " ") } == true)
        #expect(observer.process.isRunning)
    }

    @Test("pass promtool's check, from the listener and from the file")
    func conventions() throws {
        let folder = try TemporaryFolder()
        let (observer, port) = try serving("--textfile", folder.url.path, "--top", "5")
        try observer.wait { folder.text("vmascope.prom").contains("vmascope_boundaries{") }
        try check(try #require(Client.get(port, "/metrics")))
        try check(folder.text("vmascope.prom"))
        // Nothing else is left there, and it is for others to read.
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.url.path).filter { $0.hasSuffix(".prom") } == [
                "vmascope.prom"
            ])
        #expect(try Shell.must("stat", "-c", "%a", folder.path("vmascope.prom")) == "644\n")
        let text = folder.text("vmascope.prom")
        #expect(text.split(separator: "\n").count { $0.hasPrefix("vmascope_process_vmas{") } == 6)
        kill(observer.process.processIdentifier, SIGTERM)
        observer.process.waitUntilExit()
        #expect(observer.process.terminationStatus == 0 && observer.output.contains("PROCESSES"))
        // Who reads metrics does not read lines as well.
        #expect(!observer.output.contains("Z  "))
    }

    @Test("are served whatever others do: garbage, slowness, crowds")
    func hostility() throws {
        let (observer, port) = try serving("--comm", "victim")
        var held: [Client] = []
        for index in 0 ..< 300 {
            guard let client = Client(port) else { continue }
            switch index % 4 {
            case 0: client.send((0 ..< 2000).map { _ in UInt8.random(in: 0 ... 255) })
            case 1: client.send(Array("GET /metr".utf8))
            case 2: client.send(Array("GET /metrics HTTP/1.1\r\nX: \(String(repeating: "y", count: 20_000))".utf8))
            default: break
            }
            if index % 3 != 0 { held.append(client) }
        }
        for _ in 0 ..< 20 { #expect(Client.get(port, "/metrics")?.contains("vmascope_build_info") == true) }
        let head = try #require(Client(port))
        head.send(Array("HEAD /metrics HTTP/1.1\r\n\r\n".utf8))
        #expect(head.receive().hasPrefix("HTTP/1.1 405 "))
        #expect(held.count > 100 && observer.process.isRunning)
    }

    @Test("who asks without end keeps nobody's sections from being counted")
    func flood() throws {
        let (observer, port) = try serving("--budget", "5%", "--format", "ndjson")
        let end = Date().addingTimeInterval(6)
        while Date() < end { _ = Client.get(port, "/metrics") }
        let told = observer.output.split(separator: "\n").count
        struct Interval: Decodable {
            struct Flow: Decodable { var watched: Double }
            var flow: Flow?
        }
        func watched() -> [Double] {
            observer.output.split(separator: "\n").dropFirst(told).dropLast().compactMap {
                try? JSONDecoder().decode(Interval.self, from: Data($0.utf8)).flow?.watched
            }
        }
        // It was paid for by nobody's budget, so nothing has to be saved up first.
        try observer.wait { watched().count >= 6 }
        #expect(watched().contains { $0 > 0 }, "\(watched())")
    }

    @Test("a folder that can't be written to any more is told once, and nothing else stops")
    func fullTextfile() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.path("metrics"), withIntermediateDirectories: true)
        let (observer, port) = try serving("--textfile", folder.path("metrics"))
        try observer.wait { folder.text("metrics/vmascope.prom").contains("vmascope_vmas") }
        try FileManager.default.moveItem(atPath: folder.path("metrics"), toPath: folder.path("gone"))
        // Other processes of this machine may be refused something meanwhile, and are warned of, too.
        func warnings() -> Int { observer.errors.components(separatedBy: "warning: \(folder.path("metrics"))").count - 1 }
        try observer.wait { warnings() > 0 }
        func interval() -> String? {
            Client.get(port, "/metrics")?.split(separator: "\n").first { $0.hasPrefix("vmascope_last_interval") }.map(String.init)
        }
        let before = try #require(interval())
        try observer.wait { interval() != before }
        #expect(warnings() == 1)
        try FileManager.default.moveItem(atPath: folder.path("gone"), toPath: folder.path("metrics"))
        try observer.wait { observer.errors.contains("can be written again") }
    }

    @Test("a port that is taken is named")
    func taken() throws {
        let (observer, port) = try serving()
        let outcome = try Vmascope.run(["system", "--listen", "127.0.0.1:\(port)", "--duration", "1s"])
        #expect(outcome.status == 74 && outcome.errors.contains("--listen 127.0.0.1:\(port): "), "\(outcome.errors)")
        #expect(observer.process.isRunning)
    }
}
