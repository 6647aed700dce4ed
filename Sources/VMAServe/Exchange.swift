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

    /// Takes the bytes that have come, and says whether they are enough to answer.
    ///
    /// - Parameter page: the whole answer to a request for `/metrics`.
    mutating func receive(_ bytes: some Sequence<UInt8>, page: () -> [UInt8]) -> Reading {
        received.append(contentsOf: bytes)
        guard let end = Self.end(of: received) else {
            return received.count > Self.requestLimit ? .answer(Self.answer(431, "the request is too long\n")) : .more
        }
        guard end <= Self.requestLimit else { return .answer(Self.answer(431, "the request is too long\n")) }
        return .answer(Self.answer(to: received[..<end], page: page))
    }

    /// Where the empty line is that ends the headers. Old clients end lines with a line feed alone.
    private static func end(of bytes: [UInt8]) -> Int? {
        var isLineEmpty = false
        for (index, byte) in bytes.enumerated() where byte != 13 {
            if byte == 10, isLineEmpty { return index + 1 }
            isLineEmpty = byte == 10
        }
        return nil
    }

    private static func answer(to head: ArraySlice<UInt8>, page: () -> [UInt8]) -> [UInt8] {
        let line = head.prefix { $0 != 10 && $0 != 13 }
        let words = line.split(separator: 32, omittingEmptySubsequences: false)
        guard words.count == 3, words[2].starts(with: "HTTP/1.".utf8), words[2].count == 8, words[1].first == 47,
            !words[0].isEmpty, words[0].allSatisfy({ (65 ... 90).contains($0) })
        else { return answer(400, "not an HTTP request\n") }
        guard words[0].elementsEqual("GET".utf8) else { return answer(405, "only GET\n", extra: "Allow: GET\r\n") }
        let path = words[1].prefix { $0 != 63 }
        if path.elementsEqual("/metrics".utf8) { return page() }
        if path.elementsEqual("/".utf8) { return answer(200, "vmascope: metrics are at /metrics\n") }
        return answer(404, "metrics are at /metrics\n")
    }

    static func page(_ text: String) -> [UInt8] { answer(200, text, type: "text/plain; version=0.0.4; charset=utf-8") }

    static let busy = answer(503, "too many requests: try again in a second\n", extra: "Retry-After: 1\r\n")

    private static let reasons = [
        200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large",
        503: "Service Unavailable",
    ]

    private static func answer(
        _ status: Int, _ body: String, type: String = "text/plain; charset=utf-8", extra: String = ""
    ) -> [UInt8] {
        let head = "HTTP/1.1 \(status) \(reasons[status]!)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
        return Array((head + extra + "Cache-Control: no-store\r\nConnection: close\r\n\r\n").utf8) + Array(body.utf8)
    }
}
