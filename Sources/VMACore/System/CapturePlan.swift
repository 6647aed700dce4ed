/// Decides of which processes `system --capture` makes a recording, and when. Pure: the caller gives the clock.
///
/// Anybody may have very many processes that come near the limit, so captures are shared among users: the user who had
/// fewest in the last hour comes first, and nobody has more than `userLimit` of them.
public struct CapturePlan: Sendable {
    /// Why a process is captured. The first is the most urgent.
    public enum Reason: String, Sendable, CaseIterable {
        /// A call was refused at the limit of VMAs.
        case refused
        /// It will reach the limit soon (`--capture-within`).
        case forecast
        /// It has come near the limit (`--warn-at`).
        case near
    }

    /// A process, and why it is captured.
    public struct Choice: Sendable {
        /// The process as it was counted last.
        public var process: ProcessStock
        /// The most urgent reason.
        public var reason: Reason
        /// Seconds until mmap fails; nil if that can't be foreseen.
        public var secondsToLimit: Double?
    }

    /// An address space of a process: what exec makes is captured anew.
    private struct Space: Hashable {
        var key: ProcessKey
        var mm: MMID

        init(_ process: ProcessStock) { (key, mm) = (process.key, process.mm) }
    }

    /// Captures of the processes of one user in an hour (`UserShares`).
    static let userLimit = 4
    /// Nanoseconds until a process is captured for the same reason again, and that a user's capture counts for.
    static let pause: UInt64 = 3_600_000_000_000

    /// Nanoseconds for which a refused call is a reason.
    static let fresh: UInt64 = 300_000_000_000

    private let within: Double
    /// When each address space was captured last, by reason.
    private var taken: [Space: [Reason: UInt64]] = [:]
    /// The captures of the last hour.
    private var recent: [(user: UInt32, time: UInt64)] = []

    /// - Parameter within: a process is captured that will reach the limit within so many seconds.
    public init(within: Double) { self.within = within }

    /// The process that is to be captured now; nil if there is none. It counts as captured from then on.
    ///
    /// - Parameters:
    ///   - processes: all that the filters let through.
    ///   - limit: VMAs that a process may have; nil if unknown.
    ///   - near: those that are near the limit.
    ///   - refused: when a process (by its id) was refused a call at the limit of VMAs last, in nanoseconds on the clock
    ///     of `now`.
    ///   - now: nanoseconds on any clock that does not go back.
    public mutating func next(
        _ processes: [ProcessStock], limit: Int?, near: Set<ProcessKey>, refused: [UInt32: UInt64], at now: UInt64
    ) -> Choice? {
        if !taken.isEmpty {
            let living = Set(processes.map(Space.init))
            taken = taken.filter { living.contains($0.key) }
        }
        recent.removeAll { now - min(now, $0.time) >= Self.pause }
        let counts = recent.reduce(into: [UInt32: Int]()) { $0[$1.user, default: 0] += 1 }
        func rank(_ choice: Choice) -> (Int, Int, Double, Int) {
            let user = counts[choice.process.share] ?? 0
            let urgency = Reason.allCases.firstIndex(of: choice.reason)!
            return (user, urgency, choice.secondsToLimit ?? .infinity, -choice.process.vmas)
        }
        var best: Choice?
        for process in processes {
            guard (counts[process.share] ?? 0) < Self.userLimit,
                let choice = choice(process, limit, near, refused[process.pid], now)
            else { continue }
            if best.map({ rank(choice) < rank($0) }) ?? true { best = choice }
        }
        guard let best else { return nil }
        taken[Space(best.process), default: [:]][best.reason] = now
        recent.append((best.process.share, now))
        return best
    }

    private func choice(
        _ process: ProcessStock, _ limit: Int?, _ near: Set<ProcessKey>, _ refusedAt: UInt64?, _ now: UInt64
    ) -> Choice? {
        let seconds = process.secondsToLimit(limit)
        let before = taken[Space(process)] ?? [:]
        func isDue(_ reason: Reason) -> Bool { before[reason].map { now - min(now, $0) >= Self.pause } ?? true }
        // The id may have been another's process when the call was refused, if that was long ago.
        if let refusedAt, refusedAt > before[.refused] ?? 0, now - min(now, refusedAt) < Self.fresh, isDue(.refused) {
            return Choice(process: process, reason: .refused, secondsToLimit: seconds)
        }
        if let seconds, seconds <= within, isDue(.forecast) {
            return Choice(process: process, reason: .forecast, secondsToLimit: seconds)
        }
        // What rests near the limit is as it was when it came there.
        if near.contains(process.key), before.isEmpty {
            return Choice(process: process, reason: .near, secondsToLimit: seconds)
        }
        return nil
    }
}

/// A recording that `system --capture` has made, or is making, of one process.
public struct Capture: Sendable {
    /// What became of it.
    public enum State: Sendable, Equatable {
        /// It is being made.
        case running
        /// It is complete.
        case done
        /// It is not complete, or there is none; in words.
        case failed(String)
    }

    /// The process id (thread group) in the first pid namespace.
    public var pid: UInt32
    /// The name of the process (comm).
    public var command: String
    /// The effective user id.
    public var uid: UInt32
    /// Why it was made.
    public var reason: CapturePlan.Reason
    /// Seconds until mmap would have failed when it began; nil if that could not be foreseen.
    public var secondsToLimit: Double?
    /// When it began, ISO 8601.
    public var started: String
    /// The path of the recording (`.vmt`). The report has the same path with `.txt`.
    public var path: String
    /// What became of it.
    public var state = State.running

    /// A capture that begins, of the process of `choice`, into `path`. `started` is ISO 8601.
    public init(_ choice: CapturePlan.Choice, started: String, path: String) {
        (pid, command, uid) = (choice.process.pid, choice.process.command, choice.process.uid)
        (reason, secondsToLimit) = (choice.reason, choice.secondsToLimit)
        (self.started, self.path) = (started, path)
    }
}
