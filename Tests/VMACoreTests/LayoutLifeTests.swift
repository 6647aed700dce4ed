import Testing

@testable import VMACore

@Suite("A layout over its life")
struct LayoutLifeTests {
    private let notes: [Character: Note] = ["B": .readOnly]

    @Test("a copy is its own, however much either changes later")
    func copies() {
        var layout = Layout((0..<5_000).map { VMA(pages($0, $0 + 1), pgoff: 7, flags: .fresh) })
        layout.charge(AddressRange(0, .max), to: 3)
        let copy = layout
        let before = copy.vmas
        for index in stride(from: 0, to: 5_000, by: 3) { layout.overwrite(pages(index, index + 1)) }
        #expect(copy.vmas == before && copy.count == 5_000)
        #expect(copy.cause(at: page(4_000)) == 3 && layout.cause(at: page(3_001)) == 0)
        #expect(layout.count == 5_000 - 1_667)
    }

    @Test("a cause goes with its boundary, and does not come back with another")
    func causes() {
        var layout = Layout(Drawing("AABBCC", notes).vmas)
        layout.charge(pages(0, 6), to: 5)
        layout.overwrite(pages(2, 4))
        #expect(layout.cause(at: page(2)) == 0 && layout.cause(at: page(4)) == 0)
        layout.overwrite(pages(2, 4), with: Drawing("..BB..", notes).vmas)
        #expect(layout.cause(at: page(2)) == 0 && layout.cause(at: page(4)) == 0)
        layout.charge(pages(2, 2), to: 6)
        #expect(layout.cause(at: page(2)) == 6 && layout.cause(at: page(4)) == 0)
    }

    @Test("what a damaged recording may say does no harm")
    func hostile() {
        var layout = Layout()
        for (start, end) in [(0, UInt64.max), (1, 2), (3, 3), (UInt64.max - 1, UInt64.max), (4095, 4097)] as [(UInt64, UInt64)] {
            layout.overwrite(AddressRange(start, end), with: [VMA(AddressRange(start, end), pgoff: .max, flags: .fresh)])
            layout.charge(AddressRange(start, end), to: 1)
            layout.overwrite(AddressRange(end, start))
        }
        let ranges = layout.vmas.map(\.range)
        let isSorted = zip(ranges, ranges.dropFirst()).allSatisfy { $0.end <= $1.start }
        #expect(isSorted && ranges.count == layout.count)
    }

    @Test("remembers kinds of VMAs only while they are there")
    func kinds() {
        var layout = Layout()
        for file in 1...20_000 {
            var vma = VMA(pages(file % 10, file % 10 + 1), pgoff: 0, flags: .fresh)
            vma.file = FileID(file)
            layout.overwrite(vma.range, with: [vma])
        }
        let last: [FileID] = [20_000, 19_991, 19_992, 19_993, 19_994, 19_995, 19_996, 19_997, 19_998, 19_999]
        #expect(layout.vmas.map(\.file) == last)
        #expect(layout.kindCount < 1_000)
    }
}
