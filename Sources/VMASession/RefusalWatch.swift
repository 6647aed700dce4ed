import CSystem
import VMACore
import VMAProbe
import VMAReport

/// The refused calls of the whole system, by process. Names and stacks are resolved when a refusal comes, since the
/// process may soon have exited.
final class RefusalWatch {
    private var pending = PendingRefusals()
    private var refusals: SystemRefusals
    private var listening: Listening
    private let symbolizer: MapsSymbolizer
    private let look: (UInt32) -> (command: String, user: UInt32?)
    /// Those for which there has been no room yet, of processes that live.
    private var untold: [UntoldRefusals] = []
    private var untoldSince: UInt64 = 0
    private let startTime: UInt64
    /// Stacks in words, by the number that rows have, and whose are asked for that are not known yet, since when.
    private var frames: [StackID: [String]] = [:]
    private var asked: [StackID: (space: Space, since: UInt64)] = [:]
    /// When `takeNew` looks again, if it has left somebody out whose names may come.
    private var nextLook: UInt64 = 0
    private var known: [Stack: (pid: UInt32, id: StackID)] = [:]
    private var nextStack = StackID(1)
    /// The warnings that were given, of processes that are told apart still.
    private var warned: Set<Warning> = []
    /// Whether something came since the last `takeNew`, which goes through all rows.
    private var hasNews = false
    /// With a filter, the processes that it let through at the last count; nil: all processes pass.
    private var counted: Set<UInt32>?
    /// With a filter, the address spaces that passed and were refused something: they stay when they have exited.
    private var meant: Set<Space> = []
    /// Stacks that are kept, before those are dropped that no row has any more.
    private static let stackLimit = 3000
    /// Bytes of one stack in words.
    private static let byteLimit = 16 << 10
    /// Nanoseconds for which a warning waits for the names of functions, and between two looks at those that wait.
    private static let (patience, pause) = (UInt64(3_000_000_000), UInt64(500_000_000))
    /// Processes for whose calls there has been no room that are shown one by one.
    private static let untoldLimit = 100

    private typealias Space = SystemRefusals.Space

    private struct Stack: Hashable {
        var mm: MMID
        var stack: StackID
    }

    private struct Warning: Hashable {
        var space: Space
        var operation: Operation
        var reason: Refusal.Reason?
    }

    /// - Parameters:
    ///   - isFiltered: only those are meant that `see` is told of.
    ///   - lives: whether there is a process with this id.
    ///   - look: the name of a process, and who stands for it (`UserShares`); nil where it has gone.
    init(
        startTime: UInt64, isFiltered: Bool = false, symbolizer: MapsSymbolizer = MapsSymbolizer(wantsNames: false),
        lives: @escaping @Sendable (UInt32) -> Bool = { Target.lives(Int32(bitPattern: $0)) },
        look: @escaping (UInt32) -> (command: String, user: UInt32?) = {
            (Target.command(Int32(bitPattern: $0)), Target.share(Int32(bitPattern: $0)))
        }
    ) {
        self.startTime = startTime
        self.symbolizer = symbolizer
        self.look = look
        refusals = SystemRefusals(lives: lives)
        if isFiltered { counted = [] }
        listening = Listening(start: startTime, sharesByUser: true)
    }

    /// Takes the processes that a filter lets through, as they were just counted. Whether it would let through a
    /// process that began and ended between two counts is unknown.
    func see(_ processes: [ProcessStock]) {
        tidy()
        guard counted != nil else { return }
        let pids = Set(processes.map(\.key.pid))
        counted = pids
        let known = meant.count
        for space in refusals.owners.keys where pids.contains(space.pid) { meant.insert(space) }
        if meant.count > known { hasNews = true }
    }

    /// Drops what is kept of processes that have no rows of their own any more.
    private func tidy() {
        refusals.forgetOwners(keeping: pending.spaces)
        let owners = refusals.owners
        let untold = Set(untold.map { Space(mm: $0.mm, pid: $0.tgid) })
        func isKept(_ space: Space) -> Bool { space.mm == 0 || owners[space] != nil || untold.contains(space) }
        warned = warned.filter { isKept($0.space) }
        meant = meant.filter(isKept)
        guard frames.count > Self.stackLimit else { return }
        let stacks = refusals.stacks.union(pending.stacks)
        frames = frames.filter { stacks.contains($0.key) }
        asked = asked.filter { stacks.contains($0.key) }
        known = known.filter { stacks.contains($0.value.id) }
    }

    func feed(_ event: Event) {
        switch event {
        case .stack: symbolizer.note(event)
        case .frames(let mm, let stack, let found):
            guard let id = known[Stack(mm: mm, stack: stack)]?.id else { return }
            var bytes = 0
            let words = found.prefix { frame in
                bytes += frame.utf8.count
                return bytes <= Self.byteLimit
            }
            frames[id] = Array(words)
            asked[id] = nil
            hasNews = true
        case .refusal(var refusal):
            let pid = refusal.origin.tgid
            let owner = owner(of: refusal, in: &refusals)
            listening.note(event, user: owner.user)
            refusal.stack = resolve(refusal, owner)
            for judged in pending.note(refusal, nil) { add(judged, to: &refusals) }
            if let counted, counted.contains(pid) { meant.insert(Self.space(of: refusal)) }
            hasNews = true
        case .answer(let origin, let result):
            listening.note(event)
            if let judged = pending.answer(origin, result) { add(judged, to: &refusals) }
            hasNews = true
        default: break
        }
    }

    private func owner(of refusal: Refusal, in all: inout SystemRefusals) -> SystemRefusals.Owner {
        let pid = refusal.origin.tgid
        return all.owner(Self.space(of: refusal), keeping: pending.spaces) {
            let found = look(pid)
            return SystemRefusals.Owner(pid: pid, user: found.user, command: found.command)
        }
    }

    private static func space(of refusal: Refusal) -> Space { Space(mm: refusal.origin.mm, pid: refusal.origin.tgid) }

    private func add(_ judged: PendingRefusals.Judged, to all: inout SystemRefusals) {
        let (refusal, verdict) = judged
        // Its rows may have been folded since it was looked at.
        _ = owner(of: refusal, in: &all)
        all.add(
            Self.space(of: refusal), refusal.syscall.operation, verdict, stack: refusal.stack, count: Int(max(1, refusal.count)),
            at: refusal.origin.time)
    }

    /// What the kernel's side has not found room for until now; they may be told later.
    ///
    /// - Parameter time: CLOCK_MONOTONIC nanoseconds.
    func note(untold: [UntoldRefusals], ofGone: Int = 0, ofUsers: [UntoldRefusals] = [], at time: UInt64) {
        var all = untold + ofUsers
        if ofGone > 0 { all.append(UntoldRefusals(mm: 0, tgid: 0, operation: .other, count: ofGone)) }
        if !all.isEmpty {
            hasNews = true
            if self.untold.isEmpty { untoldSince = time }
        }
        self.untold = all
    }

    func isListeningWanted(_ now: UInt64) -> Bool { listening.isWanted(now) }

    private func resolve(_ refusal: Refusal, _ owner: SystemRefusals.Owner) -> StackID {
        let key = Stack(mm: refusal.origin.mm, stack: refusal.stack)
        let space = Self.space(of: refusal)
        if let known = known[key], known.pid == space.pid { return known.id }
        guard refusal.stack != 0, refusals.hasRoom(0, of: space) else { return 0 }
        if frames.count >= 2 * Self.stackLimit { tidy() }
        guard frames.count < 2 * Self.stackLimit else { return 0 }
        let id = nextStack
        nextStack &+= 1
        frames[id] = []
        asked[id] = (space, vms_monotonic_ns())
        known[key] = (space.pid, id)
        symbolizer.resolve(refusal.stack, of: key.mm, tgid: owner.pid, command: owner.command) { feed($0) }
        return id
    }

    /// Takes the names that have come.
    func advance() { symbolizer.advance { feed($0) } }

    /// Waits until `deadline` (CLOCK_MONOTONIC nanoseconds) for names.
    func finish(_ deadline: UInt64) { symbolizer.finish(deadline) { feed($0) } }

    /// Three descriptors that can be read when names have come; -1 for none.
    var sockets: [Int32] { symbolizer.sockets }

    /// What stands for the processes of a user, or of one who is not known.
    private static func name(_ user: UInt32?) -> String {
        switch user {
        case nil: "(gone)"
        case let user?: UserShares.isNamespace(user) ? "(user namespace)" : "(uid \(user))"
        }
    }

    /// The refused calls since the start: each user's most frequent before any user's second.
    var rows: [Refused] { all.map(\.row) }

    private var all: [(space: Space, row: Refused)] {
        func seconds(_ time: UInt64) -> Double { time > startTime ? Double(time - startTime) / 1e9 : 0 }
        var refusals = refusals
        for judged in pending.inferred { add(judged, to: &refusals) }
        let owners = refusals.owners
        var found: [(space: Space, row: Refused)] = []
        // Of each process and operation, the most frequent.
        var places: [Warning: Int] = [:]
        for row in refusals.fair {
            let (space, owner): (Space, SystemRefusals.Owner)
            let nobody = Space(mm: 0, pid: 0)
            switch row.key.whose {
            case .process(let process): (space, owner) = (process, owners[process]!)
            case .user(let user):
                (space, owner) = (nobody, SystemRefusals.Owner(pid: 0, user: user, command: Self.name(user)))
            case .everybody: (space, owner) = (nobody, SystemRefusals.Owner(pid: 0, user: nil, command: "(others)"))
            }
            guard counted == nil || meant.contains(space) else { continue }
            let place = Warning(space: space, operation: row.key.operation, reason: nil)
            if places[place].map({ found[$0].row.count < row.count }) ?? true { places[place] = found.count }
            found.append(
                (
                    space,
                    Refused(
                        image: 0, pid: owner.pid, command: owner.command, operation: row.key.operation, verdict: row.key.verdict,
                        count: row.count, first: seconds(row.first), last: seconds(row.last), stack: frames[row.key.stack] ?? [],
                        user: owner.user)
                ))
        }
        var others: [(space: Space, row: Refused)] = []
        var rest: [Operation: Int] = [:]
        func append(_ more: UntoldRefusals, _ command: String, _ user: UInt32?) {
            let unknown = Refusal.Verdict(errno: nil, reason: nil, seen: false)
            others.append(
                (
                    Space(mm: more.mm, pid: more.tgid),
                    Refused(
                        image: 0, pid: more.tgid, command: command, operation: more.operation, verdict: unknown,
                        count: more.count,
                        first: seconds(untoldSince), last: seconds(untoldSince), stack: [], user: user)
                ))
        }
        for more in untold {
            let space = Space(mm: more.mm, pid: more.tgid)
            guard counted == nil || counted!.contains(more.tgid) || meant.contains(space) else { continue }
            // They are like the others of that process, as far as anybody knows.
            if more.isOfUser {
                append(more, more.user.map { "(uid \($0))" } ?? "(others)", more.user)
            } else if more.mm != 0, let most = places[Warning(space: space, operation: more.operation, reason: nil)] {
                found[most].row.count += more.count
            } else if more.tgid == 0 {
                append(more, "(gone)", nil)
            } else if others.count < Self.untoldLimit {
                let owner = look(more.tgid)
                append(more, owner.command, owner.user)
            } else {
                rest[more.operation, default: 0] += more.count
            }
        }
        for (operation, count) in rest {
            append(UntoldRefusals(mm: 0, tgid: 0, operation: operation, count: count), "(others)", nil)
        }
        return found + others
    }

    /// The refused calls that were not reported before, a process at a time. They wait a moment for the names of
    /// functions.
    ///
    /// - Parameter now: CLOCK_MONOTONIC nanoseconds; nil: nothing is waited for.
    func takeNew(_ now: UInt64? = nil) -> [[Refused]] {
        guard hasNews, now ?? .max >= nextLook else { return [] }
        hasNews = false
        // Who has new stacks all the time keeps back nobody else's warning.
        let waiting = Set(asked.values.lazy.filter { (now ?? .max) < $0.since + Self.patience }.map(\.space))
        if let now, !waiting.isEmpty { (hasNews, nextLook) = (true, now + Self.pause) }
        // What is of no process any more is no news.
        let new = all.filter { space, row in
            (space.mm != 0 || row.command == "(gone)") && !waiting.contains(space)
                && warned.insert(Warning(space: space, operation: row.operation, reason: row.verdict.reason)).inserted
        }
        return Dictionary(grouping: new, by: \.space).values.map { $0.map(\.row) }.sorted { $0[0].pid < $1[0].pid }
    }
}
