import CRBTree
import VMACore

/// One change of an address space, as a process at work makes them.
struct Change {
    var range: AddressRange
    /// Nil for an erasure.
    var vma: VMA?
    /// The VMA as `Layout.overwrite` takes it.
    var vmas: [VMA]

    init(range: AddressRange, vma: VMA?) {
        self.range = range
        self.vma = vma
        vmas = vma.map { [$0] } ?? []
    }
}

/// `Layout` beside a red-black tree in C and a sorted array: nanoseconds a change, bytes a VMA.
enum LayoutBenchmark {
    static func run(sizes: [Int], rounds: Int, changes: Int) {
        row([
            "VMAs", "Layout, ns", "rb-tree in C, ns", "sorted array, ns", "Layout / rb-tree", "Layout, bytes a VMA",
            "rb-tree, bytes a VMA",
        ])
        row(["---:", "---:", "---:", "---:", "---:", "---:", "---:"])
        for size in sizes { run(size, rounds: rounds, changes: changes) }
    }

    private static func run(_ size: Int, rounds: Int, changes: Int) {
        let initial = (0 ..< UInt64(size)).map(vma)
        var beside = Int(allocated_bytes())
        var layout = Layout()
        for vma in shuffled(initial) { layout.overwrite(vma.range, with: [vma]) }
        let layoutBytes = Double(Int(allocated_bytes()) - beside) / Double(size)

        beside = Int(allocated_bytes())
        var tree = area_tree()
        for vma in shuffled(initial) {
            var area = area(vma)
            area_overwrite(&tree, vma.start, vma.end, &area)
        }
        let treeBytes = Double(Int(allocated_bytes()) - beside) / Double(size)
        defer { area_clear(&tree) }

        // An array of a million would take minutes.
        var array = size <= 100_000 ? SortedArray(rows: initial) : nil
        var seeds = [UInt64](repeating: 1, count: 3)
        func next(_ which: Int) -> [Change] {
            seeds[which] += 1
            return mix(changes, size, seed: seeds[which])
        }
        // The changes are made before the clock starts.
        let prepared = (0 ..< rounds).map { _ in (next(0), next(1), next(2)) }
        var round = (0, 0, 0)
        let times = Measure.alternating(
            rounds: rounds,
            [
                {
                    for change in prepared[round.0].0 { layout.overwrite(change.range, with: change.vmas) }
                    round.0 += 1
                },
                {
                    for change in prepared[round.1].1 {
                        if let vma = change.vma {
                            var area = area(vma)
                            area_overwrite(&tree, change.range.start, change.range.end, &area)
                        } else {
                            area_overwrite(&tree, change.range.start, change.range.end, nil)
                        }
                    }
                    round.1 += 1
                },
                {
                    if array != nil { for change in prepared[round.2].2 { array!.overwrite(change) } }
                    round.2 += 1
                },
            ]
        ).map { $0 / Double(changes) }
        withExtendedLifetime(initial) {}  // not freed while others were measured
        precondition(layout.count == tree.count, "the two do not hold the same")
        row([
            "\(size)", rounded(times[0]), rounded(times[1]), array == nil ? "–" : rounded(times[2]),
            "\((times[0] / times[1] * 100).rounded() / 100)", rounded(layoutBytes), rounded(treeBytes),
        ])
    }

    private static func rounded(_ value: Double) -> String { "\(Int(value.rounded()))" }

    /// VMAs of two pages, with a hole behind every fourth.
    private static func vma(_ index: UInt64) -> VMA {
        let start = 0x1000_0000 + index * 0x2000 + index / 4 * 0x1000
        return VMA(
            AddressRange(start, start + 0x2000), pgoff: start >> 12,
            flags: VMAFlags(rawValue: index % 3 == 0 ? 0x100071 : 0x100073), anonVMA: UInt32(truncatingIfNeeded: index / 7))
    }

    /// Erase, map, split, change flags, extend: each a fifth, and each undone as often as done.
    private static func mix(_ count: Int, _ size: Int, seed: UInt64) -> [Change] {
        var random = Random(state: seed)
        return (0 ..< count).map { step in
            var vma = vma(random.below(UInt64(size)))
            switch step % 5 {
            case 0: return Change(range: vma.range, vma: nil)
            case 1: return Change(range: vma.range, vma: vma)
            case 2:
                vma.range.end -= 0x1000
                vma.flags = VMAFlags(rawValue: 0x100070)
                return Change(range: vma.range, vma: vma)
            case 3:
                vma.flags = VMAFlags(rawValue: 0x100075)
                return Change(range: vma.range, vma: vma)
            default:
                vma.range.end += 0x1000
                return Change(range: vma.range, vma: vma)
            }
        }
    }

    private static func shuffled(_ vmas: [VMA]) -> [VMA] {
        var random = Random(state: 42)
        var vmas = vmas
        for index in vmas.indices.reversed() where index > 0 { vmas.swapAt(index, Int(random.below(UInt64(index + 1)))) }
        return vmas
    }

    private static func area(_ vma: VMA) -> area {
        var made = CRBTree.area()
        (made.start, made.end, made.pgoff, made.anon_pgoff) = (vma.start, vma.end, vma.pgoff, vma.anonPgoff)
        (made.flags, made.anon_vma, made.file) = (vma.flags.rawValue, vma.anonVMA, vma.file)
        return made
    }
}

/// The layout that anyone would write first.
struct SortedArray {
    var rows: [VMA]

    mutating func overwrite(_ change: Change) {
        let (start, end) = (change.range.start, change.range.end)
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].end > start { high = middle } else { low = middle + 1 }
        }
        var last = low
        while last < rows.count, rows[last].start < end { last += 1 }
        var new: [VMA] = []
        if low < last, rows[low].start < start { new.append(rows[low].clipped(to: AddressRange(rows[low].start, start))) }
        if let vma = change.vma { new.append(vma) }
        if low < last, rows[last - 1].end > end { new.append(rows[last - 1].clipped(to: AddressRange(end, rows[last - 1].end))) }
        rows.replaceSubrange(low ..< last, with: new)
    }
}
