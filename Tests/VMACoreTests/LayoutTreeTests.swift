import TestSupport
import Testing

@testable import VMACore

extension Layout {
    /// What is wrong with the nodes, in words.
    var flaws: [String] { tree?.flaws ?? [] }
}

extension LayoutTree {
    fileprivate var flaws: [String] {
        var flaws: [String] = []
        var leaves: [LayoutNode] = []
        func check(_ node: LayoutNode, _ level: Int, _ low: UInt64, _ high: UInt64) {
            let keys = (0 ..< node.count).map { node.keys[$0] }
            let least = node == root ? 1 : LayoutNode.sparse + (level == 0 ? 1 : 0)
            if node.count < least || node.count > LayoutNode.capacity {
                flaws.append("\(node.count) in a node of level \(level)")
            }
            if zip(keys, keys.dropFirst()).contains(where: { $0 >= $1 }) { flaws.append("keys out of order") }
            if keys.contains(where: { $0 < low || $0 >= high }) { flaws.append("a key in the wrong node") }
            guard level > 0 else { return leaves.append(node) }
            for index in 0 ..< node.count {
                check(node.child(index), level - 1, keys[index], index + 1 < node.count ? keys[index + 1] : high)
            }
        }
        check(root, height, 0, .max)
        for (leaf, next) in zip(leaves, leaves.dropFirst()) where leaf.next != next || next.prev != leaf {
            flaws.append("leaves that do not know each other")
        }
        if leaves.first?.prev != nil || leaves.last?.next != nil { flaws.append("more leaves than there are") }
        if leaves.reduce(0, { $0 + $1.count }) != count { flaws.append("a wrong count") }
        var uses: [UInt32: UInt32] = [:]
        for leaf in leaves {
            for index in 0 ..< leaf.count { uses[leaf.row(index).pointee.kind, default: 0] += 1 }
        }
        if uses != kinds.uses { flaws.append("kinds used \(kinds.uses), by rows \(uses)") }
        return flaws
    }
}

@Suite("A layout's tree")
struct LayoutTreeTests {
    static let full = LayoutNode.capacity
    static let counts = [
        1, 2, LayoutNode.sparse, LayoutNode.comfortable, LayoutNode.comfortable + 1, full, full + 1, 2 * full + 1,
        full * full, full * full + 1, 10_000,
    ]

    /// VMAs of one page with a page between them, none like another.
    private static func vmas(_ count: Int) -> [VMA] {
        (0 ..< count).map { VMA(pages(2 * $0, 2 * $0 + 1), pgoff: UInt64($0), flags: .fresh, anonVMA: UInt32($0)) }
    }

    enum Order: CaseIterable { case ascending, descending, random, outwards }

    private static func numbers(_ count: Int, _ order: Order) -> [Int] {
        var random = SplitMix64(state: UInt64(count))
        switch order {
        case .ascending: return Array(0 ..< count)
        case .descending: return (0 ..< count).reversed()
        case .random: return (0 ..< count).shuffled(using: &random)
        case .outwards: return (0 ..< count).map { count / 2 + ($0 % 2 == 0 ? $0 / 2 : -($0 + 1) / 2) }
        }
    }

    @Test("grows and shrinks row by row", arguments: counts, Order.allCases)
    func rowByRow(_ count: Int, _ order: Order) {
        let vmas = Self.vmas(count)
        let numbers = Self.numbers(count, order)
        var layout = Layout()
        for number in numbers { layout.overwrite(vmas[number].range, with: [vmas[number]]) }
        #expect(layout.vmas == vmas && layout.flaws == [])
        for (gone, number) in numbers.enumerated() {
            layout.overwrite(vmas[number].range)
            if gone % max(1, count / 16) == 0 { #expect(layout.flaws == [], "without \(gone + 1)") }
        }
        #expect(layout.count == 0 && layout.vmas.isEmpty)
    }

    @Test("is filled at once, and changed anywhere", arguments: counts)
    func atOnce(_ count: Int) {
        let vmas = Self.vmas(count)
        let filled = Layout(vmas)
        #expect(filled.vmas == vmas && filled.flaws == [])
        for number in stride(from: 0, to: count, by: max(1, count / 16)) {
            var layout = filled
            let hole = VMA(pages(2 * number + 1, 2 * number + 2), pgoff: 7, flags: .fresh)
            layout.overwrite(hole.range, with: [hole])
            var expected = vmas
            expected.insert(hole, at: number + 1)
            #expect(layout.vmas == expected && layout.flaws == [])
        }
        #expect(filled.vmas == vmas, "copies that were changed since")
    }

    @Test("takes many VMAs into a small hole, and loses them again", arguments: counts)
    func manyIntoOne(_ count: Int) {
        let before = [VMA(pages(-10, count * 2 + 10), pgoff: 100, flags: .fresh, anonPgoff: 50)]
        let vmas = Self.vmas(count)
        var layout = Layout(before)
        layout.overwrite(pages(0, 2 * count), with: vmas)
        #expect(layout.count == count + 2 && layout.flaws == [])
        #expect(layout.vmas(overlapping: pages(0, 2 * count)) == vmas)
        #expect(layout.vmas.last == before[0].clipped(to: pages(2 * count, 2 * count + 10)))
        layout.overwrite(pages(-5, 2 * count + 5))
        #expect(layout.vmas.map(\.range) == [pages(-10, -5), pages(2 * count + 5, 2 * count + 10)])
        #expect(layout.flaws == [])
    }

    @Test("is as full as nodes can be expected to be", arguments: Order.allCases)
    func fill(_ order: Order) {
        let vmas = Self.vmas(20_000)
        var layout = Layout()
        for number in Self.numbers(vmas.count, order) { layout.overwrite(vmas[number].range, with: [vmas[number]]) }
        let grown = Double(layout.count) / Double(layout.leaves * LayoutNode.capacity)
        #expect(grown > (order == .random ? 0.7 : 0.8), "\(grown)")
        for number in Self.numbers(vmas.count, .random).prefix(15_000) { layout.overwrite(vmas[number].range) }
        let shrunk = Double(layout.count) / Double(layout.leaves * LayoutNode.capacity)
        #expect(shrunk > 0.5, "\(shrunk)")
    }

    @Test("lets go of kinds that nobody is of any more")
    func kinds() {
        let named = (0 ..< 50_000).map { number in
            VMA(pages(number, number + 1), pgoff: UInt64(number), flags: .fresh, name: UInt32(number))
        }
        var layout = Layout(named)
        #expect(layout.vmas == named && layout.kinds >= named.count)
        layout.overwrite(pages(100, named.count))
        #expect(layout.kinds <= 1_024 && layout.flaws == [])
        // Ever new ones, in the place of others.
        for number in 0 ..< 10_000 {
            let vma = VMA(pages(number % 100, number % 100 + 1), pgoff: 0, flags: .fresh, name: 100_000 + UInt32(number))
            layout.overwrite(vma.range, with: [vma])
        }
        #expect(layout.kinds <= 1_024 && layout.count == 100)
        #expect(Set(layout.vmas.map(\.name)) == Set(109_900 ..< 110_000) && layout.flaws == [])
    }
}

extension Layout {
    fileprivate var kinds: Int { tree?.kinds.capacity ?? 0 }

    fileprivate var leaves: Int {
        guard let nodes = tree else { return 0 }
        var leaf = (0 ..< nodes.height).reduce(nodes.root) { node, _ in node.child(0) }
        var count = 1
        while let next = leaf.next {
            leaf = next
            count += 1
        }
        return count
    }
}
