/// How often the processes of each user have delayed one of our processes: others wait meanwhile, so no user's may do that
/// again and again.
struct UserDelays {
    private var users: [UInt32?: (count: Int, last: UInt64)] = [:]

    /// Delays in a row after which a user's processes are left alone, and for how many nanoseconds after each. After
    /// `memory` without one they count as none.
    static let most = 3
    static let pause: UInt64 = 10_000_000_000
    static let memory: UInt64 = 60_000_000_000
    private static let userLimit = 1000

    var isEmpty: Bool { users.isEmpty }

    /// - Parameters:
    ///   - user: who stands for the process that has delayed it (`UserShares`); nil: unknown.
    ///   - now: CLOCK_MONOTONIC nanoseconds.
    mutating func note(_ user: UInt32?, _ now: UInt64) {
        users = users.filter { now < $0.value.last + Self.memory }
        if users.count >= Self.userLimit { users = [:] }
        users[user] = (users[user].map { $0.count + 1 } ?? 1, now)
    }

    /// Whether the processes of a user are left alone now.
    func areTooMany(_ user: UInt32?, _ now: UInt64) -> Bool {
        guard let delays = users[user] else { return false }
        return delays.count >= Self.most && now < delays.last + Self.pause
    }
}

/// The users of processes, looked up once for what comes together.
struct UserOfProcess {
    let look: (UInt32) -> UInt32?
    private var last: (pid: UInt32, user: UInt32?, at: UInt64)?
    private static let age: UInt64 = 50_000_000

    init(look: @escaping (UInt32) -> UInt32?) { self.look = look }

    /// - Parameter now: CLOCK_MONOTONIC nanoseconds.
    mutating func of(_ pid: UInt32, _ now: UInt64) -> UInt32? {
        if let last, last.pid == pid, now < last.at + Self.age { return last.user }
        let user = look(pid)
        last = (pid, user, now)
        return user
    }
}
