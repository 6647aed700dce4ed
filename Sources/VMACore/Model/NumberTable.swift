/// Keys to numbers, neither of them 0: a hash table with open addressing, at most half full.
///
/// A `Dictionary` does the same, and takes five times as long, which is most of what would be done with a
/// record. As there, where a key lies is another matter in each process, so that nobody can choose keys
/// that collide.
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
    /// 64 less the table's logarithm.
    private var shift: UInt64 = 64
    private var used = 0

    public init() {}

    /// 0 for a key that has none.
    public subscript(key: UInt64) -> UInt32 {
        get { slots.isEmpty ? 0 : slots[place(of: key)].number }
        set {
            if 2 * used >= slots.count { grow() }
            let place = place(of: key)
            if slots[place].key == 0 { used += 1 }
            slots[place] = Slot(key: key, number: newValue)
        }
    }

    /// Where `key` is, or belongs.
    private func place(of key: UInt64) -> Int {
        let mask = slots.count &- 1
        var place = Int(truncatingIfNeeded: (key &* multiplier) &>> shift)
        while slots[place].key != key, slots[place].key != 0 { place = (place &+ 1) & mask }
        return place
    }

    /// Without what was removed.
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
