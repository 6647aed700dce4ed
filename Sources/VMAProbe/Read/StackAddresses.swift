import VMACore

/// The addresses of stacks, of a bounded number of them, and a bounded number in all: a program can have every stack as deep
/// as stacks are told.
struct StackAddresses {
    private var stacks: [StackID: [UInt64]] = [:]
    /// Of all stacks.
    private var count = 0
    /// A stack found no room.
    private(set) var isFull = false

    static let (stackLimit, limit) = (60_000, 4 << 20)

    subscript(_ stack: StackID) -> [UInt64]? { stacks[stack] }

    /// Keeps the addresses of a stack if there is room.
    ///
    /// - Parameter forgetsOlder: room is made by forgetting those of older stacks.
    mutating func keep(_ addresses: [UInt64], of stack: StackID, forgetsOlder: Bool) {
        if let old = stacks.removeValue(forKey: stack) { count -= old.count }
        if forgetsOlder, !hasRoom(for: addresses) { forgetOlder() }
        guard hasRoom(for: addresses) else {
            isFull = true
            return
        }
        stacks[stack] = addresses
        count += addresses.count
    }

    private func hasRoom(for addresses: [UInt64]) -> Bool {
        stacks.count < Self.stackLimit && count + addresses.count <= Self.limit
    }

    /// Ids grow: those told first go first, until half of the room is free.
    private mutating func forgetOlder() {
        for stack in stacks.keys.sorted() where stacks.count > Self.stackLimit / 2 || count > Self.limit / 2 {
            count -= stacks.removeValue(forKey: stack)?.count ?? 0
        }
    }
}
