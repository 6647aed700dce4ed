/// A VMA as a layout stores it; its start is the row's key. In a wide tree the `anonPgoff` follows the row.
struct LayoutRow {
    static let narrow = MemoryLayout<LayoutRow>.stride
    static let wide = narrow + 8

    var end: UInt64
    var pgoff: UInt64
    var anonVMA: UInt32
    var file: UInt32
    /// The number of the attributes that it has in common with many others.
    var kind: UInt32
    /// The cause of the boundary, or of the gap, at its start.
    var cause: Seam
}

/// The cause of the boundary or the gap between a row and the one before it, and which of the two it is: a boundary's
/// cause says nothing of the gap that remains when one of the VMAs goes.
struct Seam: Equatable {
    private var word: UInt32
    private static let gap: UInt32 = 1 << 31

    /// Nobody has been charged yet.
    static let none = Seam(word: 0)

    private init(word: UInt32) { self.word = word }

    init(_ cause: UInt32, isGap: Bool) { word = cause == 0 ? 0 : cause & ~Self.gap | (isGap ? Self.gap : 0) }

    /// The number of the cause; 0 where there is none, or where it is of the other kind.
    func cause(isGap: Bool) -> UInt32 { (word & Self.gap != 0) == isGap ? word & ~Self.gap : 0 }

    var isNone: Bool { word == 0 }
}

extension VMA {
    /// Only these VMAs need room for `anonPgoff`, and only theirs is adjusted when they are trimmed.
    var hasOwnAnonPgoff: Bool { anonPgoff != 0 || traits.contains(.hasAnonPgoff) }
}

/// The attributes that many VMAs have in common: a process with a million VMAs has a dozen kinds.
struct LayoutKind: Equatable {
    var flags: UInt64
    var policy: UInt32
    var uffd: UInt32
    var name: UInt32
    var traits: UInt16

    init(_ vma: VMA) {
        flags = vma.flags.rawValue
        policy = vma.policy
        uffd = vma.uffd
        name = vma.name
        traits = vma.traits.rawValue
    }

    fileprivate var hash: UInt64 {
        func mix(_ hash: UInt64, _ value: UInt64) -> UInt64 {
            let product = (hash ^ value).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            return product.high ^ product.low
        }
        return mix(mix(mix(0x51, flags), UInt64(policy) << 32 | UInt64(uffd)), UInt64(name) << 16 | UInt64(traits))
    }
}

/// Kinds by number, with the number of rows that use each. A kind that no row uses any more stays until its place is
/// needed, since it often comes back.
struct LayoutKinds {
    private struct Entry {
        var kind: LayoutKind
        var uses: UInt32
    }

    private var entries: [Entry] = []
    /// A hash table with open addressing: number of the entry + 1, or 0. Twice `capacity`.
    private var slots: [UInt32] = []
    private var vacant: [UInt32] = []
    private var used = 0
    private var latest = 0

    var capacity: Int { slots.count / 2 }

    /// How many rows use each number.
    var uses: [UInt32: UInt32] {
        var uses: [UInt32: UInt32] = [:]
        for (number, entry) in entries.enumerated() where entry.uses > 0 { uses[UInt32(number)] = entry.uses }
        return uses
    }

    subscript(number: UInt32) -> LayoutKind { entries[Int(number)].kind }

    /// Whether it pays to number the kinds anew, with a walk over all rows: at most every second row could have used
    /// the table's capacity, and few do.
    func isOversized(for rows: Int) -> Bool { capacity > 64 && capacity > rows / 2 && used < capacity / 4 }

    /// The number of `kind`, used once more.
    mutating func retain(_ kind: LayoutKind) -> UInt32 {
        if latest < entries.count, entries[latest].uses > 0, entries[latest].kind == kind {
            entries[latest].uses += 1
            return UInt32(latest)
        }
        if slots.isEmpty { makeRoom() }
        var slot = slot(of: kind)
        if slots[slot] == 0 {
            if entries.count == capacity, vacant.isEmpty {
                makeRoom()
                slot = self.slot(of: kind)
            }
            if let place = vacant.popLast() {
                entries[Int(place)] = Entry(kind: kind, uses: 0)
                slots[slot] = place + 1
            } else {
                entries.append(Entry(kind: kind, uses: 0))
                slots[slot] = UInt32(entries.count)
            }
        }
        latest = Int(slots[slot]) - 1
        if entries[latest].uses == 0 { used += 1 }
        entries[latest].uses += 1
        return UInt32(latest)
    }

    mutating func retain(_ number: UInt32) { entries[Int(number)].uses += 1 }

    mutating func release(_ number: UInt32) {
        entries[Int(number)].uses -= 1
        if entries[Int(number)].uses == 0 { used -= 1 }
    }

    /// Where `kind` is, or belongs.
    private func slot(of kind: LayoutKind) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: kind.hash) & mask
        while slots[slot] != 0, entries[Int(slots[slot]) - 1].kind != kind { slot = (slot + 1) & mask }
        return slot
    }

    /// Frees the kinds that no row uses, or, if these are few, doubles the table.
    private mutating func makeRoom() {
        let size = used <= capacity / 2 ? max(16, slots.count) : 2 * slots.count
        slots = Array(repeating: 0, count: size)
        entries.reserveCapacity(capacity)
        vacant = []
        for number in entries.indices {
            if entries[number].uses == 0 {
                vacant.append(UInt32(number))
            } else {
                slots[slot(of: entries[number].kind)] = UInt32(number) + 1
            }
        }
    }
}

extension LayoutNode {
    func row(_ index: Int) -> UnsafeMutablePointer<LayoutRow> {
        payload(index).assumingMemoryBound(to: LayoutRow.self)
    }

    /// The `anonPgoff` of a row in a wide tree.
    func anonPgoff(_ index: Int) -> UnsafeMutablePointer<UInt64> {
        (payload(index) + LayoutRow.narrow).assumingMemoryBound(to: UInt64.self)
    }
}
