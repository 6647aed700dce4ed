import VMACore

/// Whose turn it is with one of our processes, by what each user's files have cost it: nobody's files, however slow, take
/// away the names of others.
struct ReaderTurns {
    /// The user of a process; nil: unknown, since it has gone.
    typealias User = UInt32?

    private struct Account {
        /// Nanoseconds that the reader was busy for the user, halved each `halfLife`, the last time at `halved`.
        var spent: UInt64 = 0
        var halved: UInt64
        /// Nanoseconds that a name has taken, of late.
        var perName = ReaderTurns.usual
        /// Nanoseconds that were left of the `share` at the time `counted`.
        var left: Double
        var counted: UInt64
    }

    private var accounts: [User: Account] = [:]
    /// Nanoseconds that each user's files may cost at once, and of each nanosecond after that; nil: there is no bound.
    private let share: (burst: Double, part: Double)?

    static let halfLife: UInt64 = 10_000_000_000
    private static let usual: UInt64 = 1_000_000
    /// Nanoseconds for which requests of one user may be under way: others wait for these at most.
    private static let ahead: UInt64 = 200_000_000
    private static let accountLimit = 1000

    /// - Parameter isBounded: the system is observed, and its users share the time.
    init(isBounded: Bool) {
        share = isBounded ? (Double(SymbolLimits.userTime), SymbolLimits.userPart) : nil
    }

    /// Books what was read for a user.
    ///
    /// - Parameters:
    ///   - cost: the reader's processor time, in nanoseconds.
    ///   - names: how many names that were; nil where the file was read for the first time, which says little of the next.
    mutating func charge(_ user: User, _ cost: UInt64, names: Int?, _ now: UInt64) {
        if accounts.count >= Self.accountLimit, accounts[user] == nil {
            accounts = accounts.filter { $0.value.counted + 6 * Self.halfLife > now }
            if accounts.count >= Self.accountLimit { accounts = [:] }
        }
        var account = current(user, now)
        account.spent &+= cost
        account.left -= Double(cost)
        if let names, names > 0 { account.perName = (account.perName + cost / UInt64(names)) / 2 }
        accounts[user] = account
    }

    /// The account as it is now.
    private func current(_ user: User, _ now: UInt64) -> Account {
        guard var account = accounts[user] else {
            return Account(halved: now, left: share?.burst ?? 0, counted: now)
        }
        let halvings = (now - min(now, account.halved)) / Self.halfLife
        account.spent = halvings > 63 ? 0 : account.spent >> halvings
        account.halved += halvings * Self.halfLife
        if let share { account.left = min(share.burst, account.left + share.part * Double(now - min(now, account.counted))) }
        account.counted = now
        return account
    }

    /// Users in the order of their turns: who has cost least is first.
    func order(_ users: [User], _ now: UInt64) -> [User] {
        users.map { (current($0, now).spent, $0 ?? .max, $0) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
    }

    /// How many names of a user may be under way.
    func names(_ user: User, _ now: UInt64) -> Int { Int(max(1, Self.ahead / max(1, current(user, now).perName))) }

    /// Whether there is a bound for each user.
    var isBounded: Bool { share != nil }

    /// Whether the user's files have had their share of the time.
    func isUsedUp(_ user: User, _ now: UInt64) -> Bool {
        share != nil && accounts[user] != nil && current(user, now).left <= 0
    }
}

/// For how long an opener has waited for a file system: not for a processor, and not for something to do.
struct OpenerClock {
    private var busy: UInt64 = 0

    /// Nanoseconds since `start`, when it was asked or gave its last answer. 0 where the kernel does not say so.
    mutating func waited(_ pid: Int32, since start: UInt64, _ now: UInt64) -> UInt64 {
        // Time on a processor, and time of waiting for one (CONFIG_SCHED_INFO).
        let fields = ProcFile.text("/proc/\(pid)/schedstat")?.split(separator: " ").prefix(2).compactMap { UInt64($0) } ?? []
        guard fields.count == 2 else { return 0 }
        let passed = now - min(now, start)
        let used = fields[0] + fields[1]
        defer { busy = used }
        return passed - min(passed, used - min(used, busy))
    }
}
