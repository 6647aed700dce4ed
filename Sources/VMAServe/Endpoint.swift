import Glibc

/// An address to listen at: `127.0.0.1:9464`, `[::1]:9464`, and on the loopback `localhost:9464`, `:9464`
/// or `9464`. Names are not looked up. Port 0 takes one that is free.
public struct Endpoint: Sendable, Equatable {
    public var host: String
    public var port: UInt16
    private let isIPv6: Bool

    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let last = parts.last, last.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(last) else { return nil }
        self.port = port
        let address = text.dropLast(last.count + (parts.count > 1 ? 1 : 0))
        if address.first == "[" {
            guard address.last == "]" else { return nil }
            (host, isIPv6) = (String(address.dropFirst().dropLast()), true)
        } else {
            (host, isIPv6) = (["", "localhost"].contains(address) ? "127.0.0.1" : String(address), false)
        }
        guard withAddress({ _, _ in true }) == true else { return nil }
    }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool { isIPv6 ? host == "::1" : host.hasPrefix("127.") }

    public var text: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// A socket that listens, and the port that it got.
    func listen() -> Result<(socket: Int32, port: UInt16), Failure> {
        let fd = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue) | Self.flags, 0)
        guard fd >= 0 else { return .failure(Failure(code: errno)) }
        var on: Int32 = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress({ bind(fd, $0, $1) }) == 0, Glibc.listen(fd, 64) == 0 else {
            defer { close(fd) }
            return .failure(Failure(code: errno))
        }
        var name = sockaddr_in6()  // the larger of the two, with the port in the same place
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(fd, $0, &size) }
        }
        return .success((fd, UInt16(bigEndian: name.sin6_port)))
    }

    public struct Failure: Error, Sendable {
        /// The errno of the call that failed.
        public var code: Int32
    }

    static let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    /// The socket address; nil if the host is not an address.
    private func withAddress<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T? {
        func pass<Address>(_ address: inout Address) -> T {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
            }
        }
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            return inet_pton(AF_INET6, host, &address.sin6_addr) == 1 ? pass(&address) : nil
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        return inet_pton(AF_INET, host, &address.sin_addr) == 1 ? pass(&address) : nil
    }
}
