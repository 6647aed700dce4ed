import Foundation
import Testing

@testable import VMAServe

/// A client that does what it likes, in the thread of the server.
private final class Client {
    let socket: Int32

    init(_ server: MetricsServer) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = server.endpoint.port.bigEndian
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0)
    }

    deinit { close(socket) }

    func send(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// All that comes until the server closes, or has nothing more to say; nil if it hung up on us.
    func receive(_ server: MetricsServer, at time: Double = 0) -> String? {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        for _ in 0 ..< 1000 {
            server.serve(at: time)
            let got = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if got == 0 { return String(decoding: all, as: UTF8.self) }
            if got < 0, errno != EAGAIN { return nil }
            if got > 0 { all += buffer[..<got] } else { usleep(500) }
        }
        return String(decoding: all, as: UTF8.self)
    }
}

@Suite("serving one page")
struct ServerTests {
    private static func server(_ text: String = "up 1\n") throws -> MetricsServer {
        // What the tests themselves take of this thread is not what is tested.
        var spent = 0.0
        let server = try MetricsServer(try #require(Endpoint("127.0.0.1:0"))) {
            spent += 1e-6
            return spent
        }
        server.text = text
        return server
    }

    private static let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test("an address is what it says, and the loopback where it says none")
    func endpoints() throws {
        for text in ["9464", ":9464", "localhost:9464", "127.0.0.1:9464"] {
            let endpoint = try #require(Endpoint(text))
            #expect(endpoint.text == "127.0.0.1:9464" && endpoint.isLoopback)
        }
        #expect(Endpoint("[::1]:9464")?.isLoopback == true)
        #expect(Endpoint("0.0.0.0:80")?.isLoopback == false)
        #expect(Endpoint("[::]:80")?.isLoopback == false)
        for text in [
            "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[::1]", "example.org:80", "[x]:1", "1.2.3:4",
            "a:-1", "1 :2",
        ] {
            #expect(Endpoint(text) == nil, "\(text)")
        }
    }

    @Test("who sends a byte at a time wakes the observing loop some times a second, and others are served")
    func drips() throws {
        let server = try Self.server()
        let slow = try Client(server)
        var wakes = 0
        for byte in 0 ..< 5000 {
            slow.send(byte == 0 ? "G" : "x")
            let now = Double(byte) / 1000
            if !server.polled.isEmpty { wakes += 1 }
            server.serve(at: now)
        }
        // Five seconds: what may come at once, and then so many a second.
        #expect(wakes < Int(MetricsServer.lookRate) * (10 + 6), "\(wakes)")
        // Its request comes in more pieces than are read at one look.
        let client = try Client(server)
        for byte in Self.get {
            client.send(String(byte))
            server.serve(at: 4.999)
        }
        var answer: String?
        for look in 1 ... 40 where answer?.isEmpty ?? true {
            answer = client.receive(server, at: 5 + Double(look) * 0.05)
        }
        #expect(answer?.hasSuffix("up 1\n") == true)
    }

    @Test("clients that never rest have a bounded share of a processor, and others are served within seconds")
    func cost() throws {
        // Each reading of the clock is 5 ms after the one before, so each look costs that.
        var spent = 0.0
        let server = try MetricsServer(try #require(Endpoint("127.0.0.1:0"))) {
            spent += 0.005
            return spent
        }
        server.text = "up 1\n"
        var clients = try (0 ..< 30).map { _ in try Client(server) }
        for tick in 0 ..< 60_000 {
            clients[tick % 30].send("x")
            // A request is too long at some time, or its time is over.
            if tick % 100 == 99 { clients[tick / 100 % 30] = try Client(server) }
            server.serve(at: Double(tick) / 1000)
        }
        #expect(server.cpuSeconds < MetricsServer.costAtOnce + 60 * MetricsServer.share + 0.1, "\(server.cpuSeconds)")
        #expect(server.cpuSeconds > 30 * MetricsServer.share)
        let client = try Client(server)
        client.send(Self.get)
        var answer: String?
        for look in 1 ... 3 where answer?.isEmpty ?? true {
            answer = client.receive(server, at: 60 + Double(look) * MetricsServer.longestRest)
        }
        #expect(answer?.hasSuffix("up 1\n") == true)
    }

    @Test("the page is served whole, however large, with its length, and the connection ends")
    func page() throws {
        let text = String(repeating: "a line of it 1\n", count: 200_000)
        let server = try Self.server(text)
        let client = try Client(server)
        client.send(Self.get)
        let answer = try #require(client.receive(server))
        #expect(
            answer.hasPrefix(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: \(text.utf8.count)\r\n"
            ))
        #expect(answer.hasSuffix("\r\n\r\n" + text))
        #expect(server.servedCount == 1)
        client.send("more")
        usleep(1000)
        server.serve(at: 11)
        #expect(!server.isBusy)
    }

    static let requests: [(String, Int)] = [
        (get, 200), ("GET /metrics HTTP/1.0\n\n", 200), ("GET /metrics?x=1 HTTP/1.1\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\n\r\n", 200),
        ("GET /etc/passwd HTTP/1.1\r\n\r\n", 404), ("GET /../metrics HTTP/1.1\r\n\r\n", 404),
        ("GET metrics HTTP/1.1\r\n\r\n", 400),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", 405), ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        ("get /metrics HTTP/1.1\r\n\r\n", 400), ("GET /metrics HTTP/2.0\r\n\r\n", 400), ("GET /metrics\r\n\r\n", 400),
        ("\r\n\r\n", 400), ("\u{0}\u{1}\u{16}\u{3}\n\n", 400), ("GET  /metrics HTTP/1.1\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\nX: " + String(repeating: "a", count: 9000) + "\r\n\r\n", 431),
        (String(repeating: "A", count: 9000), 431), (String(repeating: "\r", count: 9000), 431),
    ]

    @Test("every request has its answer", arguments: requests)
    func answers(_ request: String, _ status: Int) throws {
        let server = try Self.server()
        let client = try Client(server)
        client.send(request)
        let answer = try #require(client.receive(server))
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(request.prefix(40).debugDescription) \(answer)")
        #expect(answer.contains("Connection: close\r\n"))
        #expect((status == 405) == answer.contains("Allow: GET\r\n"))
    }

    @Test("on the loopback no name is answered that a stranger can give")
    func rebinding() throws {
        let hosts = [
            ("127.0.0.1", 200), ("127.0.0.1:9464", 200), ("LOCALHOST:9464", 200), ("[::1]:9464", 200), ("metrics", 200),
            ("a.localhost", 200), ("", 200), ("evil.example", 421), ("evil.example:9464", 421), ("127.0.0.1.evil.example", 421),
            ("EVIL.example.", 421), ("localhost.evil.example", 421),
        ]
        for (host, status) in hosts {
            for isLocal in [true, false] {
                var exchange = Exchange(isLocal: isLocal)
                let request = "GET /metrics HTTP/1.1\r\nAccept: */*\r\nhOST: \t\(host)\r\n\r\n"
                guard case .answer(let answer) = exchange.receive(request.utf8, page: { Exchange.page("up 1\n") }) else {
                    Issue.record("no answer")
                    continue
                }
                let expected = isLocal ? status : 200
                #expect(answer.starts(with: "HTTP/1.1 \(expected) ".utf8), "\(host) \(isLocal)")
            }
        }
        let server = try Self.server()
        let client = try Client(server)
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\nHost: evil.example\r\n\r\n")
        #expect(client.receive(server)?.hasPrefix("HTTP/1.1 421 ") == true)
    }

    @Test("a request may come byte by byte, and nothing is answered before its end")
    func bytewise() {
        var exchange = Exchange()
        for byte in Self.get.utf8.dropLast() {
            #expect(exchange.receive([byte], page: { [] }) == .more)
        }
        #expect(exchange.receive([10], page: { [] }) != .more)
    }

    @Test("who does nothing keeps nobody out, and is let go when its time is over")
    func idlers() throws {
        let server = try Self.server()
        var idle: [Client] = []
        for _ in 0 ..< 200 {
            idle.append(try Client(server))
            server.serve(at: 1)
        }
        idle.last?.send("GET /met")
        let client = try Client(server)
        client.send(Self.get)
        #expect(client.receive(server, at: 2)?.hasPrefix("HTTP/1.1 200") == true)
        #expect(server.isBusy)
        server.serve(at: 12.5)
        #expect(!server.isBusy)
    }

    @Test("who does not read its answer is let go, too, and others are served meanwhile")
    func deaf() throws {
        let server = try Self.server(String(repeating: "0123456789abcde\n", count: 1_000_000))
        let deaf = try Client(server)
        deaf.send(Self.get)
        for _ in 0 ..< 50 { server.serve(at: 1) }
        server.text = "small 1\n"
        let client = try Client(server)
        client.send(Self.get)
        #expect(client.receive(server, at: 2)?.hasSuffix("small 1\n") == true)
        server.serve(at: 11.5)
        #expect(server.servedCount == 1)
        #expect(deaf.receive(server, at: 12)?.count ?? 0 < 16_000_000)
    }

    @Test("a port that is taken is an error that says so")
    func taken() throws {
        let server = try Self.server()
        #expect { _ = try MetricsServer(server.endpoint) } throws: { ($0 as? Endpoint.Failure)?.code == EADDRINUSE }
    }

    @Test("so many pages a second are served, the others are told to come again, and what that costs is counted")
    func flood() throws {
        let server = try Self.server()
        var (pages, busy) = (0, 0)
        for _ in 0 ..< 200 {
            let client = try Client(server)
            client.send(Self.get)
            let answer = try #require(client.receive(server, at: 1))
            if answer.hasPrefix("HTTP/1.1 200") { pages += 1 } else if answer.hasPrefix("HTTP/1.1 503") { busy += 1 }
        }
        #expect(pages == Int(2 * MetricsServer.pageRate) && busy == 200 - pages)
        #expect(server.cpuSeconds > 0)
        let client = try Client(server)
        client.send(Self.get)
        #expect(client.receive(server, at: 3)?.hasPrefix("HTTP/1.1 200") == true)
    }
}
