import TestSupport
import Testing

@testable import VMACore

@Suite("A table of numbers")
struct NumberTableTests {
    @Test("holds what a dictionary holds", arguments: [1, 2, 3] as [UInt64])
    func oracle(_ seed: UInt64) {
        var random = SplitMix64(state: seed)
        var (table, oracle) = (NumberTable(), [UInt64: UInt32]())
        // Few keys, so that each is removed and comes back; as far apart as kernel pointers are.
        let keys = (1 ... 500).map { 0xffff_8881_0000_0000 + UInt64($0) * 136 }
        for step in 1 ... 20_000 {
            let key = keys[Int.random(in: keys.indices, using: &random)]
            let number = Bool.random(using: &random) ? UInt32(step) : 0
            table[key] = number
            oracle[key] = number
            let other = keys[Int.random(in: keys.indices, using: &random)]
            #expect(table[other] == oracle[other] ?? 0)
        }
        for key in keys { #expect(table[key] == oracle[key] ?? 0) }
    }

    @Test("has nothing for a key that was never told")
    func absent() {
        var table = NumberTable()
        #expect(table[7] == 0)
        table[7] = 1
        #expect(table[7] == 1 && table[8] == 0 && table[.max] == 0)
    }

    @Test("forgets those that are not kept, and their room")
    func kept() {
        var table = NumberTable()
        for round in 0 ..< 20 {
            for key in 1 ... 10_000 as ClosedRange<UInt64> { table[key + UInt64(round) * 10_000] = UInt32(key) }
            table.keep { $0 <= 10 }
        }
        #expect(table.count == 200 && table[5] == 5 && table[190_010] == 10 && table[11] == 0 && table[190_011] == 0)
    }
}
