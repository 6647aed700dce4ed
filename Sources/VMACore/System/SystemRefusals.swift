/// The refused calls of all processes of a system, added up by process, operation, reason and call stack.
///
/// Anybody may have very many processes that are refused very much. So rows are bounded, and where there is no room,
/// those rows become one of their user that have least to say: of processes that have gone, then of the user that has most
/// rows. So no user takes the room of another's processes.
public struct SystemRefusals: Sendable {
    /// A process and its address space: the process's id may be another one's later, and where the record of an end is
    /// lost, as in a pause, so may the address space's.
    public struct Space: Hashable, Sendable {
        /// The address space.
        public var mm: MMID
        /// The process id (thread group) in the first pid namespace.
        public var pid: UInt32

        /// The address space `mm`, as the process `pid` has it.
        public init(mm: MMID, pid: UInt32) { (self.mm, self.pid) = (mm, pid) }

        fileprivate static func < (one: Space, other: Space) -> Bool { (one.mm, one.pid) < (other.mm, other.pid) }
    }

    /// What the rows of one kind are of.
    public enum Whose: Hashable, Sendable {
        /// A process.
        case process(Space)
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
    public struct Row: RefusalSum, Sendable {
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
        /// The user who stands for it (`UserShares`); nil if it is not known.
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
    /// The processes that have rows, or whose calls may be found to have been refused.
    public private(set) var owners: [Space: Owner] = [:]
    /// Owners, from which on those are forgotten that have no row.
    private static let ownerLimit = 4096
    private var ownerRoom = Self.ownerLimit
    /// Whether a process lives still.
    private let lives: @Sendable (UInt32) -> Bool

    /// - Parameter lives: whether there is a process with this id.
    public init(lives: @escaping @Sendable (UInt32) -> Bool) { self.lives = lives }

    /// The owner of an address space; where it is new, as `make` says.
    ///
    /// - Parameter kept: those without a row that may get one still.
    public mutating func owner(_ space: Space, keeping kept: @autoclosure () -> Set<Space>, _ make: () -> Owner) -> Owner {
        if let known = owners[space] { return known }
        if owners.count >= ownerRoom { forgetOwners(keeping: kept()) }
        let new = make()
        owners[space] = new
        return new
    }

    /// Forgets the owners that have no row: of very many processes a call may have been refused that was not.
    public mutating func forgetOwners(keeping kept: Set<Space>) {
        owners = owners.filter { $0.value.rows > 0 || kept.contains($0.key) }
        ownerRoom = max(Self.ownerLimit, 2 * owners.count)
    }

    /// Whether a call's stack is one of those that are kept of its process, or may become one.
    public func hasRoom(_ stack: StackID, of space: Space) -> Bool {
        guard let owner = owners[space] else { return true }
        return owner.stacks.contains(stack) || owner.stacks.count < Self.stackLimit
    }

    /// Adds refused calls of a process that has an owner.
    public mutating func add(
        _ space: Space, _ operation: Operation, _ verdict: Refusal.Verdict, stack: StackID, count: Int, at time: UInt64
    ) {
        var key = Key(
            whose: .process(space), operation: operation, verdict: verdict, stack: hasRoom(stack, of: space) ? stack : 0)
        if rows[key] == nil {
            if rows.count >= Self.rowLimit { makeRoom(for: space) }
            let owned = owners[space]?.rows ?? 0
            if owned >= Self.processLimit / 2 { key.stack = 0 }
            if owned >= Self.processLimit { key.verdict = Refusal.Verdict(errno: nil, reason: nil, seen: false) }
        }
        add(Row(key: key, count: count, first: time, last: time))
    }

    private mutating func add(_ row: Row) {
        if rows[row.key]?.add(row) == nil {
            rows[row.key] = row
            guard case .process(let space) = row.key.whose else { return }
            owners[space]?.rows += 1
            if row.key.stack != 0 { owners[space]?.stacks.insert(row.key.stack) }
        }
    }

    // MARK: room

    /// - Parameter newest: whose row is about to come.
    private mutating func makeRoom(for newest: Space) {
        fold(Set(owners.filter { $0.key != newest && !lives($0.value.pid) }.keys))
        // The user with most rows gives up those of the processes that were refused least.
        while rows.count > Self.rowsLeft {
            var byUser: [UInt32?: [Space]] = [:]
            for (space, owner) in owners where space != newest { byUser[owner.user, default: []].append(space) }
            func size(_ spaces: [Space]) -> Int { spaces.reduce(0) { $0 + (owners[$1]?.rows ?? 0) } }
            func first(_ spaces: [Space]) -> MMID { spaces.map(\.mm).min() ?? 0 }
            guard let most = byUser.values.max(by: { (size($0), first($0)) < (size($1), first($1)) }),
                size(most) > Self.userShare
            else { break }
            let counts = counts
            var left = size(most)
            func comesFirst(_ one: Space, _ other: Space) -> Bool {
                let (calls, more) = (counts[one] ?? 0, counts[other] ?? 0)
                return calls == more ? other < one : calls < more
            }
            var folded: Set<Space> = []
            for space in most.sorted(by: comesFirst) where left > Self.userShare {
                left -= owners[space]?.rows ?? 0
                folded.insert(space)
            }
            fold(folded)
        }
        // Very many users.
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

    private var counts: [Space: Int] {
        rows.values.reduce(into: [:]) { counts, row in
            if case .process(let space) = row.key.whose { counts[space, default: 0] += row.count }
        }
    }

    private func user(_ whose: Whose) -> UInt32? {
        switch whose {
        case .process(let space): owners[space]?.user
        case .user(let user): user
        case .everybody: nil
        }
    }

    /// Adds the rows of these processes to those of their users, without stacks.
    private mutating func fold(_ spaces: Set<Space>) {
        for (key, row) in rows {
            guard case .process(let space) = key.whose, spaces.contains(space) else { continue }
            rows[key] = nil
            var row = row
            (row.key.whose, row.key.stack) = (.user(owners[space]?.user), 0)
            add(row)
        }
        for space in spaces { owners[space] = nil }
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
