/// Decides when the kernel's answers are read. Reading costs every process at every syscall, so it is done while
/// calls are refused, and for no more than a tenth of the time.
///
/// Where processes of several users are refused calls, no user has more of that time than is left for others: the
/// first to take all that it can get has half of it.
public struct Listening: Sendable {
    /// A user whose processes are refused calls.
    private struct User {
        /// When the last call was refused for which answers are wanted.
        var lastRefusal: UInt64
        /// Nanoseconds that were spent for this user.
        var spent: UInt64 = 0
    }

    private let start: UInt64
    private let sharesByUser: Bool
    private var users: [UInt32?: User] = [:]
    private static let userLimit = 4096
    /// When the last answer to each address space came, of a bounded number of them.
    private var answered: [MMID: UInt64] = [:]
    private static let answeredLimit = 4096
    /// Nanoseconds for which an address space that had an answer has none read for it: one that is refused something
    /// every few seconds would use up the time for all others.
    private static let rest: UInt64 = 120_000_000_000
    private var spent: UInt64 = 0
    /// For whom answers have been read since when.
    private var current: (users: [UInt32?], since: UInt64)?

    /// How long to read after the last refusal, and how long before the tenth of the time counts, in nanoseconds.
    private static let (patience, credit) = (UInt64(5_000_000_000), UInt64(10_000_000_000))
    private static let share: UInt64 = 10

    /// - Parameters:
    ///   - start: the start of the observation, in nanoseconds of CLOCK_MONOTONIC, as all times here.
    ///   - sharesByUser: `note` is told whose processes they are, and users share the time.
    public init(start: UInt64, sharesByUser: Bool = false) {
        self.start = start
        self.sharesByUser = sharesByUser
    }

    /// Takes note of refusals and answers; other events change nothing.
    ///
    /// - Parameter user: who stands for the process that was refused something (`UserShares`); nil where it is unknown.
    public mutating func note(_ event: Event, user: UInt32? = nil) {
        switch event {
        case .refusal(let refusal):
            let (mm, time) = (refusal.origin.mm, refusal.origin.time)
            // What follows in the next seconds is of the same kind as what was answered.
            if let last = answered[mm], time > last + Self.patience, time < last + Self.rest { break }
            let user = sharesByUser ? user : nil
            if users.count >= Self.userLimit, users[user] == nil { dropOldest() }
            let last = users[user]?.lastRefusal ?? 0
            users[user, default: User(lastRefusal: time)].lastRefusal = max(last, time)
        case .answer(let origin, _):
            if let last = answered[origin.mm], origin.time < last + Self.rest { break }
            if answered.count >= Self.answeredLimit { answered = [:] }
            answered[origin.mm] = origin.time
        default: break
        }
    }

    /// Half of the users, those that were refused nothing for longest, begin anew.
    private mutating func dropOldest() {
        let order = users.sorted { $0.value.lastRefusal > $1.value.lastRefusal }
        users = Dictionary(uniqueKeysWithValues: order.prefix(Self.userLimit / 2).map { ($0.key, $0.value) })
    }

    /// Whether answers are to be read from now on.
    public mutating func isWanted(_ now: UInt64) -> Bool {
        book(now)
        let allowed = Self.credit + (now &- min(now, start)) / Self.share
        guard spent < allowed else { return false }
        let waiting = users.filter { user in
            now < user.value.lastRefusal + Self.patience && (!sharesByUser || user.value.spent < allowed - spent)
        }
        if !waiting.isEmpty { current = (Array(waiting.keys), now) }
        return !waiting.isEmpty
    }

    /// Charges the time since the last call to those for whom answers were read.
    private mutating func book(_ now: UInt64) {
        guard let (users, since) = current else { return }
        let time = now &- min(now, since)
        spent += time
        for user in users { self.users[user]?.spent += time / UInt64(users.count) }
        current = nil
    }
}
