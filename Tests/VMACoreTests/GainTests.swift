import Testing

@testable import VMACore

/// Pages of moved and absorbed ranges, and those that are present in them.
@Suite("What a proposal would have to update")
struct GainTests {
    private let scene = Scene(.v5_10, waits: true)

    private func count(_ range: AddressRange, _ present: UInt64, isPartial: Bool = false) {
        scene.observer.apply(
            .counted(
                scene.origin(1), PageCount(range, present: present, zero: 1, swapped: 2, isPartial: isPartial)))
    }

    /// One that moves beside one of another anon_vma.
    private func moveBeside(_ counted: (AddressRange, UInt64)? = nil, isPartial: Bool = false) {
        scene.adopt(1, "AA.CC", ["A": .anon(1), "C": .anon(2)])
        if let counted { count(counted.0, counted.1, isPartial: isPartial) }
        scene.call(1, .mremap(pages(3, 5), to: pages(2, 4)), "AA.CC", "AACC.", ["A": .anon(1), "C": .anon(2).pgoff(+1)])
    }

    private func gain() throws -> Gain {
        scene.observer.apply(.settled)
        return try #require(scene.observer.image(1)).tally.gain
    }

    @Test("classes: no page, one, two and three, four to seven")
    func classes() {
        var sizes = RangeSizes()
        for present in [0, 1, 2, 3, 4, 7] as [UInt64] { sizes.add(pages(0, 8), PageCount(pages(0, 8), present: present)) }
        sizes.add(pages(0, 1), nil)
        sizes.add(pages(0, 8), PageCount(pages(0, 8), present: 8, isPartial: true))
        #expect(sizes.presentSizes == [1, 1, 2, 2])
        #expect(sizes.sizes == [1, 0, 0, 7])
        #expect((sizes.ranges, sizes.unknown) == (8, 2))
        #expect((sizes.pages, sizes.present) == (57, 17))
        #expect(sizes.size(at: 0.1) == 1 && sizes.size(at: 0.9) == 15)
        var sum = RangeSizes()
        sum.add(sizes)
        sum.add(sizes)
        #expect(sum.presentSizes == [2, 2, 4, 4] && sum.present == 34 && sum.unknown == 4)
    }

    @Test("of a move: its pages at the source")
    func moved() throws {
        moveBeside((pages(3, 5), 1))
        let gain = try gain()
        #expect((gain.moved.ranges, gain.moved.pages, gain.moved.present, gain.moved.unknown) == (1, 2, 1, 0))
        #expect((gain.moved.zero, gain.moved.swapped) == (1, 2))
        let series = gain[Proposals.rfc]
        #expect(series.sides == 1)
        #expect((series.absorbed.pages, series.absorbed.present) == (2, 1))
        #expect((series.updated.ranges, series.updated.present) == (1, 1))
        #expect(series.pagesPerSide == 1)
        let bound = gain[try #require(Proposals.place("no-limits"))]
        #expect(bound.sides == 1 && bound.updated.ranges == 0)
    }

    @Test("of a part of a VMA that becomes longer: what was moved")
    func longer() throws {
        scene.adopt(1, "AAA.......", ["A": .anon(1)])
        count(pages(0, 2), 2)
        scene.call(1, .mremap(pages(0, 2), pages: 4), "AAA.......", "..A..BBBB.", ["A": .anon(1), "B": .anon(1).pgoff(-5)])
        let moved = try gain().moved
        #expect((moved.ranges, moved.pages, moved.present) == (1, 2, 2))
    }

    @Test("is unknown where nobody has counted, or not all, or another range")
    func unknown() throws {
        moveBeside()
        moveBeside((pages(3, 5), 1), isPartial: true)
        moveBeside((pages(2, 4), 1))
        let gain = try gain()
        #expect((gain.moved.ranges, gain.moved.unknown, gain.moved.present) == (3, 3, 0))
        #expect(gain[Proposals.rfc].absorbed.unknown == 3)
        #expect(gain[Proposals.rfc].pagesPerSide == nil)
    }

    @Test("is of one section, and of none before a loss")
    func sections() throws {
        scene.adopt(1, "AA.CC", ["A": .anon(1), "C": .anon(2)])
        count(pages(3, 5), 1)
        scene.call(1, .munmap(pages(5, 6)), "AA.CC", "AA.CC", ["A": .anon(1), "C": .anon(2)])
        moveBeside()
        count(pages(3, 5), 1)
        scene.observer.apply(.lost(1))
        moveBeside()
        #expect(try gain().moved.present == 0)
    }

    @Test("of a move to where nobody is its neighbour, which is no attempt where attempts come from rows")
    func alone() throws {
        scene.adopt(1, "AA.....", ["A": .anon(1)])
        count(pages(0, 2), 2)
        scene.call(1, .mremap(pages(0, 2), to: pages(4, 6)), "AA.....", "....AA.", ["A": .anon(1).pgoff(-4)])
        let gain = try gain()
        #expect(scene.observer.image(1)?.tally.attempts == 0)
        #expect((gain.moved.ranges, gain.moved.present) == (1, 2))
        #expect(gain[Proposals.rfc].updated.present == 2)
        #expect(gain[Proposals.rfc].absorbed.ranges == 0)
        let context = gain[try #require(Proposals.place("cow-context"))]
        #expect(context.updated.ranges == 0)
    }

    @Test("of shared memory nothing is rewritten")
    func shared() throws {
        scene.adopt(1, "AA.....", ["A": .parent(1)])
        count(pages(0, 2), 2)
        scene.call(1, .mremap(pages(0, 2), to: pages(4, 6)), "AA.....", "....AA.", ["A": .parent(1).pgoff(-4)])
        let gain = try gain()
        #expect(gain.moved.present == 2)
        #expect(gain[Proposals.rfc].updated.ranges == 0)
        #expect(gain[try #require(Proposals.place("rfc2022-posted"))].updated.present == 2)
    }

    @Test("of a change in place: its own pages; where it has none, those of the neighbour")
    func changed() throws {
        scene.adopt(1, "AABBB", ["A": .anon(1), "B": .anon(2).readOnly])
        count(pages(2, 5), 3)
        let changed: [Character: Note] = ["A": .anon(1), "B": .anon(2)]
        scene.rows(1, .before, "AABBB", ["A": .anon(1), "B": .anon(2).readOnly])
        scene.rows(1, .after, "AABBB", changed)
        scene.end(1, .mprotect(pages(2, 5)))
        let before = try gain()[Proposals.rfc]
        #expect((before.absorbed.pages, before.absorbed.present, before.updated.present) == (3, 3, 3))

        scene.adopt(1, "AA.BBB", changed)
        count(pages(3, 6), 2)
        scene.rows(1, .before, "AA.BBB", changed)
        scene.rows(1, .after, "AAABBB", changed)
        scene.end(1, .mmap(pages(2, 3), fixed: true))
        let after = try gain()[Proposals.rfc]
        #expect((after.absorbed.pages, after.absorbed.present, after.updated.present) == (6, 5, 5))
    }

    @Test("is updated once: what an earlier move has rewritten is not updated by a later merge")
    func once() throws {
        let before: [Character: Note] = ["A": .anon(1), "C": .anon(1).readOnly]
        let moved: [Character: Note] = ["A": .anon(1), "C": .anon(1).readOnly.pgoff(+1)]
        scene.adopt(1, "AA.CC", before)
        count(pages(3, 5), 2)
        scene.rows(1, .before, "AA.CC", before)
        scene.rows(1, .after, "AACC.", moved)
        scene.end(1, .mremap(pages(3, 5), to: pages(2, 4)))
        count(pages(2, 4), 2)
        scene.rows(1, .before, "AACC.", moved)
        scene.rows(1, .after, "AACC.", ["A": .anon(1), "C": .anon(1).pgoff(+1)])
        scene.end(1, .mprotect(pages(2, 4)))
        let series = try gain()[Proposals.rfc]
        #expect(series.sides == 1 && series.absorbed.present == 2)
        #expect((series.updated.ranges, series.updated.present) == (1, 2))
    }

    @Test("what grows in place has no page yet")
    func grown() throws {
        scene.adopt(1, "AA.BB", ["A": .anon(1), "B": .anon(2)])
        scene.call(1, .mremap(pages(0, 2), pages: 3), "AA.BB", "AAABB", ["A": .anon(1), "B": .anon(2)])
        let gain = try gain()
        #expect(gain.moved.ranges == 0)
        #expect((gain[Proposals.rfc].absorbed.pages, gain[Proposals.rfc].absorbed.unknown) == (1, 0))
        #expect(gain[Proposals.rfc].absorbed.presentSizes == [1])
    }
}
