/// A table from keys to numbers, neither of them 0: a hash table with open addressing, at most half full.
///
/// A `Dictionary` does the same in five times the time, which is most of the time that a record takes. As in a
/// `Dictionary`, the place of a key differs from process to process, so that nobody can choose keys that collide.
public struct NumberTable: Sendable {
    private struct Slot {
        /// 0: free.
        var key: UInt64 = 0
        /// 0: removed.
        var number: UInt32 = 0
    }

    private static let multiplier = UInt64.random(in: 0 ... .max) | 1

    private let multiplier = Self.multiplier
    private var slots: [Slot] = []
    /// 64 minus the logarithm of the table's size.
    private var shift: UInt64 = 64
    private var used = 0

    /// An empty table, which takes no memory yet.
    public init() {}

    /// The number of a key; 0 if it has none.
    public subscript(key: UInt64) -> UInt32 {
        get { slots.isEmpty ? 0 : slots[place(of: key)].number }
        set {
            if 2 * used >= slots.count { grow() }
            let place = place(of: key)
            if slots[place].key == 0 { used += 1 }
            slots[place] = Slot(key: key, number: newValue)
        }
    }

    /// How many keys there are, those included that were removed lately.
    public var count: Int { used }

    /// Removes the keys with numbers that `isKept` does not let through.
    public mutating func keep(_ isKept: (UInt32) -> Bool) {
        for place in slots.indices where slots[place].number != 0 && !isKept(slots[place].number) { slots[place].number = 0 }
        grow()
    }

    /// The place of `key`, or the free place where it belongs.
    private func place(of key: UInt64) -> Int {
        let mask = slots.count &- 1
        var place = Int(truncatingIfNeeded: (key &* multiplier) &>> shift)
        while slots[place].key != key, slots[place].key != 0 { place = (place &+ 1) & mask }
        return place
    }

    /// Makes a larger table, without removed keys.
    private mutating func grow() {
        let old = slots.filter { $0.number != 0 }
        let size = max(16, 4 * old.count).nextPowerOfTwo
        slots = Array(repeating: Slot(), count: size)
        shift = UInt64(64 - size.trailingZeroBitCount)
        used = old.count
        for slot in old { slots[place(of: slot.key)] = slot }
    }
}

extension Int {
    /// The least power of two that is no less.
    fileprivate var nextPowerOfTwo: Int { self < 2 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
