import CRBTree
import VMACore

/// Measures the bytes that a `Layout` takes for a VMA, all included, by the way in which it was filled.
enum FillBenchmark {
    static func run(sizes: [Int]) {
        row(["VMAs", "at once", "ascending", "descending", "random", "then 3 of 4 erased", "and with an anon_pgoff"])
        row(["---:", "---:", "---:", "---:", "---:", "---:", "---:"])
        for size in sizes { run(size) }
    }

    private static func run(_ size: Int) {
        func vmas(_ traits: VMA.Traits) -> [VMA] {
            (0 ..< UInt64(size)).map { index in
                let range = AddressRange(0x1000_0000 + index * 0x2000, 0x1000_0000 + index * 0x2000 + 0x1000)
                return VMA(
                    range, pgoff: index, flags: VMAFlags(rawValue: 0x100073), anonVMA: UInt32(index), anonPgoff: 0,
                    traits: traits)
            }
        }
        let plain = vmas([])
        let apart = vmas(.hasAnonPgoff)
        let order = shuffled(size)
        let least = size / 4
        func bytes(_ count: Int, _ make: () -> Layout) -> String {
            let before = Int(allocated_bytes())
            let layout = make()
            let taken = Double(Int(allocated_bytes()) - before) / Double(count)
            precondition(layout.count == count)
            return "\(Int(taken.rounded()))"
        }
        func inserted(_ vmas: [VMA], _ order: some Sequence<Int>) -> Layout {
            var layout = Layout()
            for index in order { layout.overwrite(vmas[index].range, with: [vmas[index]]) }
            return layout
        }
        func thinned(_ vmas: [VMA]) -> Layout {
            var layout = inserted(vmas, order)
            for index in order.reversed().dropLast(least) { layout.overwrite(vmas[index].range) }
            return layout
        }
        row([
            "\(size)", bytes(size) { Layout(plain) }, bytes(size) { inserted(plain, 0 ..< size) },
            bytes(size) { inserted(plain, (0 ..< size).reversed()) }, bytes(size) { inserted(plain, order) },
            bytes(least) { thinned(plain) }, bytes(least) { thinned(apart) },
        ])
        withExtendedLifetime((plain, apart, order)) {}
    }

    private static func shuffled(_ size: Int) -> [Int] {
        var random = Random(state: 7)
        var order = Array(0 ..< size)
        for index in order.indices.reversed() where index > 0 {
            order.swapAt(index, Int(random.below(UInt64(index + 1))))
        }
        return order
    }
}
