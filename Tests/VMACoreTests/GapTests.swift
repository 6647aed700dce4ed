import TestSupport
import Testing

@testable import VMACore

@Suite("gaps: who left them, and which count")
struct GapTests {
    private func page(_ number: Int) -> UInt64 { UInt64(number) << 12 }
    private func range(_ first: Int, _ end: Int) -> AddressRange { AddressRange(page(first), page(end)) }
    private func vma(_ first: Int, _ end: Int, pgoff: UInt64 = 0, _ traits: VMA.Traits = []) -> VMA {
        VMA(range(first, end), pgoff: pgoff, flags: [.read, .write], traits: traits)
    }

    /// One VMA of ten pages, charged to 1, and what is done to it.
    private func layout(_ changes: (inout Layout) -> Void) -> Layout {
        var layout = Layout([vma(10, 20)])
        changes(&layout)
        return layout
    }

    private func unmap(_ layout: inout Layout, _ range: AddressRange, by cause: UInt32) {
        layout.overwrite(range)
        layout.charge(range, to: cause)
    }

    private func map(_ layout: inout Layout, _ vma: VMA, by cause: UInt32) {
        layout.overwrite(vma.range, with: [vma])
        layout.charge(vma.range, to: cause)
    }

    @Test("unmapping inside leaves a gap to its caller, and mapping apart does")
    func born() {
        let layout = layout {
            unmap(&$0, range(12, 14), by: 7)
            map(&$0, vma(30, 31), by: 8)
        }
        #expect(layout.causeOfGap(endingAt: page(14)) == 7)
        #expect(layout.causeOfGap(endingAt: page(30)) == 8)
        #expect(layout.cause(at: page(14)) == 0)
    }

    @Test("a gap that one of its VMAs grows into, or shrinks from, stays its caller's")
    func moves() {
        let gap = layout { unmap(&$0, range(12, 16), by: 7) }
        var grown = gap
        // The VMA behind it grows down by a merge.
        grown.overwrite(range(15, 20), with: [vma(15, 20)])
        grown.charge(range(15, 16), to: 8)
        #expect(grown.causeOfGap(endingAt: page(15)) == 7)
        var headless = gap
        unmap(&headless, range(16, 17), by: 8)
        #expect(headless.causeOfGap(endingAt: page(17)) == 7)
        var tailless = gap
        unmap(&tailless, range(11, 12), by: 8)
        #expect(tailless.causeOfGap(endingAt: page(16)) == 7)
        var pushed = gap
        map(&pushed, vma(14, 16, pgoff: 99), by: 8)
        #expect(pushed.causeOfGap(endingAt: page(14)) == 7)
        #expect(pushed.cause(at: page(16)) == 8)
    }

    @Test("a VMA in the middle makes one gap more, which is its caller's")
    func split() {
        let layout = layout {
            unmap(&$0, range(12, 18), by: 7)
            map(&$0, vma(14, 15, pgoff: 99), by: 8)
        }
        #expect(layout.causeOfGap(endingAt: page(18)) == 7)
        #expect(layout.causeOfGap(endingAt: page(14)) == 8)
    }

    @Test("a gap that is filled is forgotten, and so is a boundary that is unmapped")
    func filled() {
        var layout = layout { unmap(&$0, range(12, 14), by: 7) }
        map(&layout, vma(12, 14, pgoff: 99), by: 8)
        #expect(layout.causeOfGap(endingAt: page(14)) == 0 && layout.cause(at: page(14)) == 8)
        unmap(&layout, range(12, 14), by: 9)
        #expect(layout.causeOfGap(endingAt: page(14)) == 9 && layout.cause(at: page(14)) == 0)
    }

    @Test("where both sides of a VMA are unmapped, the gap behind it is what remains")
    func joined() {
        let layout = layout {
            unmap(&$0, range(12, 13), by: 7)
            unmap(&$0, range(15, 16), by: 8)
            unmap(&$0, range(13, 15), by: 9)
        }
        #expect(layout.causeOfGap(endingAt: page(16)) == 8)
    }

    @Test("a child has its parent's")
    func inherited() {
        let parent = layout { unmap(&$0, range(12, 14), by: 7) }
        var child = Layout(parent.vmas)
        child.inheritCauses(of: parent)
        #expect(child.causeOfGap(endingAt: page(14)) == 7)
    }

    /// Each gap by itself: it keeps its cause where one ends at the same address; else what is left of it
    /// with the highest addresses has it, if nobody else does; else it is the change's.
    @Test("random changes charge gaps as a list of holes does", arguments: 0 ..< 40)
    func drawn(_ seed: Int) {
        var random = SplitMix64(state: UInt64(seed))
        // One that stays, so that each hole has a VMA before it.
        var layout = Layout([vma(0, 1)])
        var causes: [(range: AddressRange, cause: UInt32)] = []
        for step in 1 ... 300 {
            let first = 1 + random.below(200)
            let change = range(first, first + 1 + random.below(12))
            if random.below(2) == 0 {
                layout.overwrite(change)
            } else {
                layout.overwrite(change, with: [vma(Int(change.start >> 12), Int(change.end >> 12), pgoff: UInt64(step) << 20)])
            }
            let holes = zip(layout.vmas, layout.vmas.dropFirst()).map { AddressRange($0.end, $1.start) }.filter { !$0.isEmpty }
            var next = holes.map { hole in (range: hole, cause: causes.first { $0.range.end == hole.end }?.cause ?? 0) }
            for old in causes where !holes.contains(where: { $0.end == old.range.end }) {
                if let at = holes.lastIndex(where: { $0.overlaps(old.range) }), next[at].cause == 0 { next[at].cause = old.cause }
            }
            layout.charge(.all, to: UInt32(step))
            for at in next.indices where next[at].cause == 0 { next[at].cause = UInt32(step) }
            causes = next
            #expect(causes.allSatisfy { layout.causeOfGap(endingAt: $0.range.end) == $0.cause }, "step \(step)")
        }
    }

    // MARK: which count

    @Test("holes around heap and stack are no gaps, nor is the vast one that exec leaves")
    func areas() {
        let image = [vma(0x400, 0x500), vma(0x501, 0x502)]
        let vast = 1 << 29  // pages
        let mapped = [vma(vast, vast + 1), vma(vast + 3, vast + 4), vma(vast + 7, vast + 8)]
        #expect(GapSieve.count(image + mapped) == 3)
        let heap = [vma(0x600, 0x610, .heap), vma(0x620, 0x630, .heap)]
        #expect(GapSieve.count(image + heap + mapped) == 4)
        #expect(GapSieve.count(image + heap + mapped + [vma(vast + 9, vast + 20, .stack)]) == 4)
        #expect(GapSieve.count([]) == 0)
    }

    @Test("who maps far apart leaves gaps, however wide")
    func farApart() {
        let vmas = (1 ... 9).map { vma($0 << 30, $0 << 30 + 1) }
        #expect(GapSieve.count(vmas) == 7)
    }
}
