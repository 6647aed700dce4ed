/// One request and its answer, as bytes: what HTTP demands of a server that has one page and closes the connection
/// after each answer (RFC 9112).
struct Exchange {
    /// More bytes can't be a request for the page.
    static let requestLimit = 8192

    enum Reading: Equatable {
        case more
        /// The answer, whole.
        case answer([UInt8])
    }

    private var received: [UInt8] = []
    /// How many of these bytes were looked at, and whether the line is empty that goes on there: bytes may come one by one.
    private var scanned = 0
    private var isLineEmpty = false
    /// Whether only this machine is meant to reach the page. A web page can lead a browser here by a name of its own
    /// that stands for the loopback (DNS rebinding), and would be let read the answer: so no such name is answered.
    private let isLocal: Bool

    init(isLocal: Bool = false) { self.isLocal = isLocal }

    /// Takes the bytes that have come, and says whether they are enough to answer.
    ///
    /// - Parameter page: the whole answer to a request for `/metrics`.
    mutating func receive(_ bytes: some Sequence<UInt8>, page: () -> [UInt8]) -> Reading {
        received.append(contentsOf: bytes)
        guard let end = findEnd() else {
            return received.count > Self.requestLimit ? .answer(Self.answer(431, "the request is too long\n")) : .more
        }
        guard end <= Self.requestLimit else { return .answer(Self.answer(431, "the request is too long\n")) }
        return .answer(Self.answer(to: received[..<end], isLocal: isLocal, page: page))
    }

    /// Where the empty line is that ends the headers. Old clients end lines with a line feed alone.
    private mutating func findEnd() -> Int? {
        while scanned < received.count {
            let byte = received[scanned]
            scanned += 1
            if byte == 13 { continue }
            if byte == 10, isLineEmpty { return scanned }
            isLineEmpty = byte == 10
        }
        return nil
    }

    private static func answer(to head: ArraySlice<UInt8>, isLocal: Bool, page: () -> [UInt8]) -> [UInt8] {
        let line = head.prefix { $0 != 10 && $0 != 13 }
        let words = line.split(separator: 32, omittingEmptySubsequences: false)
        guard words.count == 3, words[2].starts(with: "HTTP/1.".utf8), words[2].count == 8, words[1].first == 47,
            !words[0].isEmpty, words[0].allSatisfy({ (65 ... 90).contains($0) })
        else { return answer(400, "not an HTTP request\n") }
        guard words[0].elementsEqual("GET".utf8) else { return answer(405, "only GET\n", extra: "Allow: GET\r\n") }
        guard !isLocal || hosts(of: head).allSatisfy(isLocalHost) else {
            return answer(421, "only this machine is answered, by its address or as localhost\n")
        }
        let path = words[1].prefix { $0 != 63 }
        if path.elementsEqual("/metrics".utf8) { return page() }
        if path.elementsEqual("/".utf8) { return answer(200, "vmascope: metrics are at /metrics\n") }
        return answer(404, "metrics are at /metrics\n")
    }

    /// The values of all headers `Host`.
    private static func hosts(of head: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        head.split(separator: 10).dropFirst().compactMap { line in
            guard line.count >= 5, line.prefix(5).map({ $0 | 0x20 }) == Array("host:".utf8) else { return nil }
            let value = line.dropFirst(5).drop { $0 == 32 || $0 == 9 }
            return value.prefix { $0 != 13 && $0 != 32 && $0 != 9 }
        }
    }

    /// An address, a name without a dot, which no stranger can give, or one below localhost.
    private static func isLocalHost(_ host: ArraySlice<UInt8>) -> Bool {
        if host.first == 91 { return true }  // [::1]
        var name = host.prefix { $0 != 58 }.map { $0 | 0x20 }  // lower case; a dot stays one, and a digit
        if name.last == 46 { name.removeLast() }
        if !name.contains(46) { return true }
        return name.allSatisfy { (48 ... 57).contains($0) || $0 == 46 } || name.suffix(10) == Array(".localhost".utf8)
    }

    static func page(_ text: String) -> [UInt8] { answer(200, text, type: "text/plain; version=0.0.4; charset=utf-8") }

    static let busy = answer(503, "too many requests: try again in a second\n", extra: "Retry-After: 1\r\n")

    private static let reasons = [
        200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request",
        431: "Request Header Fields Too Large",
        503: "Service Unavailable",
    ]

    private static func answer(
        _ status: Int, _ body: String, type: String = "text/plain; charset=utf-8", extra: String = ""
    ) -> [UInt8] {
        let head = "HTTP/1.1 \(status) \(reasons[status]!)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
        return Array((head + extra + "Cache-Control: no-store\r\nConnection: close\r\n\r\n").utf8) + Array(body.utf8)
    }
}
