import Glibc

/// Serves one page over HTTP without a thread of its own: the observing loop calls `serve` when one of `polled` is
/// ready, and now and then. No client can make it wait, or hold more than a little memory: connections, bytes of a
/// request and time are bounded.
public final class MetricsServer {
    private final class Connection {
        let socket: Int32
        let openedAt: Double
        var exchange: Exchange
        var answer: [UInt8] = []
        var written = 0
        var hasAnswered = false
        var awaits = Int16(POLLIN)

        init(_ socket: Int32, at time: Double, isLocal: Bool) {
            self.socket = socket
            exchange = Exchange(isLocal: isLocal)
            openedAt = time
        }
    }

    /// More connections than any number of Prometheus servers need, and few enough to cost nothing.
    static let connectionLimit = 64
    /// Seconds that the slowest client may take from the first byte to the last.
    static let timeLimit = 10.0
    private static let pause = 0.2
    /// Pages in a second, far more than any number of Prometheus servers ask for; further requests get status 503.
    /// And connections in a second; further ones wait in the kernel's queue.
    static let pageRate = 20.0
    /// Looks at sockets in a second: whoever sends a byte at a time wakes the observing loop for each.
    static let lookRate = 20.0
    /// Pieces of a request that are read at one look.
    private static let pieces = 4
    /// Seconds from one look to the next, once they have been too many.
    private static let rest = 0.05
    /// Of a processor's time, what all clients together may have: beyond `costAtOnce` seconds of it, each look is
    /// followed by a rest that makes up for it.
    static let share = 0.01
    static let costAtOnce = 0.25
    /// Seconds: the longest rest, so that whoever asks politely is answered.
    static let longestRest = 1.0
    static let arrivalRate = 100.0

    /// The endpoint, with the port that was taken.
    public private(set) var endpoint: Endpoint
    /// The page.
    public var text = "" { didSet { page = Exchange.page(text) } }
    /// The answer with the page, made once.
    private var page: [UInt8] = Exchange.page("")
    private var pages = Allowance(perSecond: pageRate, atOnce: 2 * pageRate)
    private var looks = Allowance(perSecond: lookRate, atOnce: 10 * lookRate)
    /// Until then, on the clock of `serve(at:)`, sockets are left alone, and `serve` is to be called after it; nil: now.
    public private(set) var restsUntil: Double?
    /// Seconds of processor time.
    private var time = Allowance(perSecond: share, atOnce: costAtOnce)
    private let processorTime: () -> Double
    private var arrivals = Allowance(perSecond: arrivalRate, atOnce: 4 * arrivalRate)
    /// Processor time of the thread that serves, in seconds, for all that was served.
    public private(set) var cpuSeconds = 0.0

    private let listener: Int32
    private var connections: [Int32: Connection] = [:]
    /// When to accept again, after there was no room for it.
    private var resumesAt: Double?
    /// Of answers that went out whole.
    public private(set) var servedCount = 0

    /// - Parameter processorTime: of this thread, in seconds.
    public init(_ endpoint: Endpoint, processorTime: @escaping () -> Double = threadSeconds) throws(Endpoint.Failure) {
        self.endpoint = endpoint
        self.processorTime = processorTime
        let bound = try endpoint.listen().get()
        listener = bound.socket
        self.endpoint.port = bound.port
    }

    deinit {
        for socket in connections.keys { close(socket) }
        close(listener)
    }

    /// Whether somebody is connected, whose time may run out.
    public var isBusy: Bool { !connections.isEmpty || resumesAt != nil }

    /// For poll(2).
    public var polled: [pollfd] {
        if restsUntil != nil { return [] }
        let accepting = resumesAt == nil ? [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)] : []
        return accepting + connections.values.map { pollfd(fd: $0.socket, events: $0.awaits, revents: 0) }
    }

    /// Does what can be done now.
    ///
    /// - Parameter now: seconds on a clock that only goes forward.
    public func serve(at now: Double) {
        if let time = restsUntil {
            guard now >= time else { return }
            restsUntil = nil
        }
        if let time = resumesAt, now >= time { resumesAt = nil }
        let start = processorTime()
        defer { charge(processorTime() - start, at: now) }
        var ready = polled
        // Each once: who sends without end shall not keep us here.
        if poll(&ready, nfds_t(ready.count), 0) > 0, !looks.take(at: now) { restsUntil = now + Self.rest }
        for one in ready where one.revents != 0 {
            if one.fd == listener {
                accept(at: now)
            } else if let connection = connections[one.fd] {
                advance(connection, at: now)
            }
        }
        for connection in connections.values where now - connection.openedAt > Self.timeLimit { drop(connection) }
    }

    private func charge(_ seconds: Double, at now: Double) {
        cpuSeconds += seconds
        // What the longest rest does not make up for is forgiven.
        let owed = time.spend(seconds, at: now, debt: Self.longestRest * Self.share)
        if owed > 0 { restsUntil = max(restsUntil ?? 0, now + owed / Self.share) }
    }

    // MARK: connections

    private func accept(at now: Double) {
        for _ in 0 ..< Self.connectionLimit {
            guard arrivals.take(at: now) else { return resumesAt = now + Self.pause }
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else {
                // Out of descriptors or memory: it would be ready again at once, and for ever.
                arrivals.giveBack()
                if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { resumesAt = now + Self.pause }
                return
            }
            _ = fcntl(socket, F_SETFL, O_NONBLOCK)
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            // The oldest unfinished connection makes room: a client that does nothing keeps nobody out.
            if connections.count >= Self.connectionLimit, let oldest = connections.values.min(by: { $0.openedAt < $1.openedAt }) {
                drop(oldest)
            }
            let connection = Connection(socket, at: now, isLocal: endpoint.isLoopback)
            connections[socket] = connection
            advance(connection, at: now)
        }
    }

    /// Reads what has come, and writes what can be written.
    private func advance(_ connection: Connection, at now: Double) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Who sends a byte at a time, and without end, has their turn at the next look.
        for _ in 0 ..< Self.pieces where !connection.hasAnswered {
            let got = recv(connection.socket, &buffer, buffer.count, 0)
            guard got > 0 else { return got < 0 && isTransient ? () : drop(connection) }
            guard
                case .answer(let bytes) = connection.exchange.receive(
                    buffer[..<got], page: { pages.take(at: now) ? page : Exchange.busy })
            else { continue }
            connection.answer = bytes
            connection.hasAnswered = true
        }
        guard connection.hasAnswered else { return }
        while connection.written < connection.answer.count {
            let rest = connection.answer.count - connection.written
            let wrote = connection.answer.withUnsafeBytes {
                send(connection.socket, $0.baseAddress! + connection.written, rest, Int32(MSG_NOSIGNAL))
            }
            guard wrote > 0 else {
                connection.awaits = Int16(POLLOUT)
                return isTransient ? () : drop(connection)
            }
            connection.written += wrote
        }
        linger(connection, &buffer)
    }

    /// Closing with unread bytes would reset the connection and lose the answer. So the server shuts down its side,
    /// and lets the client close.
    private func linger(_ connection: Connection, _ buffer: inout [UInt8]) {
        if !connection.answer.isEmpty {
            connection.answer = []
            connection.written = 0
            servedCount += 1
            shutdown(connection.socket, Int32(SHUT_WR))
            connection.awaits = Int16(POLLIN)
        }
        let got = recv(connection.socket, &buffer, buffer.count, 0)
        if got == 0 || got < 0 && !isTransient { drop(connection) }
    }

    private var isTransient: Bool { errno == EAGAIN || errno == EINTR }

    private func drop(_ connection: Connection) {
        connections[connection.socket] = nil
        close(connection.socket)
    }

    /// Processor time of the calling thread, in seconds.
    public static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A rate limit: so many a second, and unused ones up to a bound.
private struct Allowance {
    let perSecond: Double
    let atOnce: Double
    private var left: Double
    private var last: Double?

    init(perSecond: Double, atOnce: Double) {
        (self.perSecond, self.atOnce, left) = (perSecond, atOnce, atOnce)
    }

    mutating func take(at now: Double) -> Bool {
        refill(at: now)
        guard left >= 1 else { return false }
        left -= 1
        return true
    }

    /// Takes what has been spent already, and says how much of it is owed then, `debt` at most.
    mutating func spend(_ amount: Double, at now: Double, debt: Double) -> Double {
        refill(at: now)
        left = max(left - amount, -debt)
        return max(0, -left)
    }

    private mutating func refill(at now: Double) {
        left = min(atOnce, left + max(0, now - (last ?? now)) * perSecond)
        last = now
    }

    mutating func giveBack() { left = min(atOnce, left + 1) }
}
