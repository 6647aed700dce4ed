/// The refused calls of all processes of a system, added up by process, operation, reason and call stack.
///
/// Anybody may have very many processes that are refused very much. So rows are bounded, and where there is no room,
/// those rows become one of their user that have least to say: of processes that have gone, then of the user that has most
/// rows. So no user takes the room of another's processes.
public struct SystemRefusals: Sendable {
    /// What the rows of one kind are of.
    public enum Whose: Hashable, Sendable {
        /// A process, by its address space: its id may be another process's later.
        case process(MMID)
        /// All others of a user; nil: of processes that went before anybody could look whose they are.
        case user(UInt32?)
        /// All others.
        case everybody
    }

    /// What the refused calls of one row have in common.
    public struct Key: Hashable, Sendable {
        /// Of whom the calls are.
        public var whose: Whose
        /// The operation that was refused.
        public var operation: Operation
        /// The errno and the reason.
        public var verdict: Refusal.Verdict
        /// The caller's number of the stack; 0 if there is none.
        public var stack: StackID
    }

    /// Refused calls that are alike: how many there were, and when.
    public struct Row: Sendable {
        /// What the calls of the row have in common.
        public var key: Key
        /// How many calls were refused.
        public var count: Int
        /// When the first call was refused, in nanoseconds of CLOCK_MONOTONIC.
        public var first: UInt64
        /// When the last call was refused.
        public var last: UInt64
    }

    /// A process that was refused calls.
    public struct Owner: Sendable {
        /// The process id (thread group) in the first pid namespace.
        public var pid: UInt32
        /// The real user id; nil if it is not known.
        public var user: UInt32?
        /// The name (comm).
        public var command: String
        /// Its rows.
        fileprivate var rows = 0
        /// Its rows that have a stack.
        fileprivate var stacks: Set<StackID> = []

        /// A process that has no row yet; `user` is nil if it is not known.
        public init(pid: UInt32, user: UInt32?, command: String) {
            self.pid = pid
            self.user = user
            self.command = command
        }
    }

    /// Rows in all, and how many are left when room is made.
    static let (rowLimit, rowsLeft) = (1500, 1000)
    /// Rows of one process, and stacks among them.
    static let (processLimit, stackLimit) = (64, 16)
    /// Rows of one user that are not folded for want of room.
    private static let userShare = 50

    private var rows: [Key: Row] = [:]
    /// The processes that have rows.
    public private(set) var owners: [MMID: Owner] = [:]
    /// Whether a process lives still.
    private let lives: @Sendable (UInt32) -> Bool

    /// - Parameter lives: whether there is a process with this id.
    public init(lives: @escaping @Sendable (UInt32) -> Bool) { self.lives = lives }

    /// The owner of an address space; where it is new, as `make` says.
    public mutating func owner(_ mm: MMID, _ make: () -> Owner) -> Owner {
        if let known = owners[mm] { return known }
        let new = make()
        owners[mm] = new
        return new
    }

    /// Whether a call's stack is one of those that are kept of its process, or may become one.
    public func hasRoom(_ stack: StackID, of mm: MMID) -> Bool {
        guard let owner = owners[mm] else { return true }
        return owner.stacks.contains(stack) || owner.stacks.count < Self.stackLimit
    }

    /// Adds refused calls of a process that has an owner.
    public mutating func add(
        _ mm: MMID, _ operation: Operation, _ verdict: Refusal.Verdict, stack: StackID, count: Int, at time: UInt64
    ) {
        var key = Key(whose: .process(mm), operation: operation, verdict: verdict, stack: hasRoom(stack, of: mm) ? stack : 0)
        if rows[key] == nil {
            if rows.count >= Self.rowLimit { makeRoom(for: mm) }
            let owned = owners[mm]?.rows ?? 0
            if owned >= Self.processLimit / 2 { key.stack = 0 }
            if owned >= Self.processLimit { key.verdict = Refusal.Verdict(errno: nil, reason: nil, seen: false) }
        }
        add(Row(key: key, count: count, first: time, last: time))
    }

    private mutating func add(_ row: Row) {
        if var known = rows[row.key] {
            known.count += row.count
            known.first = min(known.first, row.first)
            known.last = max(known.last, row.last)
            rows[row.key] = known
        } else {
            rows[row.key] = row
            guard case .process(let mm) = row.key.whose else { return }
            owners[mm]?.rows += 1
            if row.key.stack != 0 { owners[mm]?.stacks.insert(row.key.stack) }
        }
    }

    // MARK: room

    /// - Parameter newest: whose row is about to come.
    private mutating func makeRoom(for newest: MMID) {
        fold(Set(owners.filter { $0.key != newest && !lives($0.value.pid) }.keys))
        // The user with most rows gives up those of the processes that were refused least.
        while rows.count > Self.rowsLeft {
            var byUser: [UInt32?: [MMID]] = [:]
            for (mm, owner) in owners where mm != newest { byUser[owner.user, default: []].append(mm) }
            func size(_ mms: [MMID]) -> Int { mms.reduce(0) { $0 + (owners[$1]?.rows ?? 0) } }
            guard let most = byUser.values.max(by: { (size($0), $0.min() ?? 0) < (size($1), $1.min() ?? 0) }),
                size(most) > Self.userShare
            else { break }
            let counts = counts
            var left = size(most)
            var folded: Set<MMID> = []
            for mm in most.sorted(by: { (counts[$0] ?? 0, $1) < (counts[$1] ?? 0, $0) }) where left > Self.userShare {
                left -= owners[mm]?.rows ?? 0
                folded.insert(mm)
            }
            fold(folded)
        }
        // Very many users: the ids of user namespaces, of which one user can have many, are the highest.
        guard rows.count > Self.rowsLeft else { return }
        var byUser: [UInt32: Int] = [:]
        for key in rows.keys { if let user = user(key.whose) { byUser[user, default: 0] += 1 } }
        var left = rows.count
        var folded: Set<UInt32> = []
        for (user, count) in byUser.sorted(by: { $0.key > $1.key }) where left > Self.rowsLeft {
            left -= count
            folded.insert(user)
        }
        fold(Set(owners.filter { $0.key != newest && $0.value.user.map(folded.contains) ?? false }.keys))
        for (key, row) in rows {
            guard case .user(let user?) = key.whose, folded.contains(user) else { continue }
            rows[key] = nil
            var row = row
            row.key.whose = .everybody
            add(row)
        }
    }

    private var counts: [MMID: Int] {
        rows.values.reduce(into: [:]) { counts, row in
            if case .process(let mm) = row.key.whose { counts[mm, default: 0] += row.count }
        }
    }

    private func user(_ whose: Whose) -> UInt32? {
        switch whose {
        case .process(let mm): owners[mm]?.user
        case .user(let user): user
        case .everybody: nil
        }
    }

    /// Adds the rows of these processes to those of their users, without stacks.
    private mutating func fold(_ mms: Set<MMID>) {
        for (key, row) in rows {
            guard case .process(let mm) = key.whose, mms.contains(mm) else { continue }
            rows[key] = nil
            var row = row
            (row.key.whose, row.key.stack) = (.user(owners[mm]?.user), 0)
            add(row)
        }
        for mm in mms { owners[mm] = nil }
    }

    // MARK: what is shown

    /// All rows: each user's first row before any user's second, most calls first, so that whoever shows some of them
    /// shows something of each user.
    public var fair: [Row] {
        let sorted = rows.values.sorted { ($1.count, $0.first, $0.key.stack) < ($0.count, $1.first, $1.key.stack) }
        var places: [UInt32?: Int] = [:]
        let placed = sorted.enumerated().map { offset, row -> (place: Int, offset: Int, row: Row) in
            let user = user(row.key.whose)
            defer { places[user, default: 0] += 1 }
            return (places[user, default: 0], offset, row)
        }
        return placed.sorted { ($0.place, $0.offset) < ($1.place, $1.offset) }.map(\.row)
    }

    /// The numbers of the stacks that rows have.
    public var stacks: Set<StackID> { Set(rows.keys.lazy.map(\.stack)) }
}
