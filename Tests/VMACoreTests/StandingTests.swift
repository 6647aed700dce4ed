import Testing

@testable import VMACore

@Suite("What stands between VMAs")
struct StandingTests {
    private func rows(_ scene: Scene, _ mm: MMID = 1) -> [(Cause?, Blockers, Int)] {
        scene.observer.image(mm)!.boundaries(scene.observer.judge).rows
            .map { (scene.observer.causes[$0.kind.cause], $0.kind.blockers, $0.count) }
    }

    @Test("is charged to the operation that left it, and to its caller; what was there before, to nobody")
    func causes() {
        let scene = Scene()
        scene.adopt(1, "AABB......", ["B": .readOnly])
        scene.call(1, .mprotect(pages(4, 6)), "AABB......", "AABBCC....", ["B": .readOnly, "C": .named(1)], stack: 7)
        let found = rows(scene)
        #expect(found.map(\.0) == [nil, Cause(.mprotect, stack: 7)])
        #expect(found.map(\.2) == [1, 1])
    }

    @Test("stays charged when later calls and comparisons leave it where it is")
    func stays() {
        let scene = Scene()
        let notes: [Character: Note] = ["B": .readOnly, "C": .readOnly]
        scene.adopt(1, "AAAA......")
        scene.call(1, .mprotect(pages(2, 4)), "AAAA......", "AABB......", notes, stack: 7)
        scene.call(1, .madvise(pages(0, 4)), "AABB......", "AABB......", notes, stack: 8)
        scene.observer.check(mm: 1, Drawing("AABB......", notes).vmas)
        scene.observer.resync(mm: 1, Drawing("AABB......", notes).vmas)
        #expect(rows(scene).map(\.0) == [Cause(.mprotect, stack: 7)])
    }

    @Test("in the end is what page faults have made of it")
    func faulted() {
        let scene = Scene()
        scene.adopt(1, "AABB", ["B": .pgoff(+1)])
        scene.call(1, .munmap(pages(0, 1)), "AABB", ".ABB", ["B": .pgoff(+1)], stack: 7)
        let image = scene.observer.image(1)!
        scene.rows(1, .audit, ".ABB", ["A": .anon(1), "B": .anon(2).pgoff(+1)])
        scene.observer.apply(.exit(scene.life(1)))
        #expect(image.boundaries(scene.observer.judge).blockedBy == [[.pgoff, .anonVMA]: 1])
    }

    @Test("asks for the frames of what stands, and only for those")
    func wanted() throws {
        let scene = Scene()
        let notes: [Character: Note] = ["B": .readOnly, "C": .readOnly]
        scene.adopt(1, "AAAA......")
        scene.call(1, .mprotect(pages(2, 4)), "AAAA......", "AABB......", notes, stack: 7)
        scene.call(1, .munmap(pages(0, 2)), "AABB......", "..BB......", notes, stack: 8)
        _ = scene.observer.takeRequests()
        let image = try #require(scene.observer.image(1))
        scene.observer.wantStacks(of: image)
        #expect(scene.observer.takeRequests().stacks.isEmpty)
        scene.call(1, .mmap(pages(0, 2)), "..BB......", "CCBB......", ["B": .readOnly], stack: 9)
        _ = scene.observer.takeRequests()
        scene.observer.wantStacks(of: image)
        #expect(scene.observer.takeRequests().stacks.map(\.stack) == [9])
        scene.observer.apply(.frames(1, 9, ["grow", "main"]))
        _ = scene.observer.takeRequests()
        scene.observer.wantStacks(of: image)
        #expect(scene.observer.takeRequests().stacks.isEmpty)
    }
}

@Suite("Many processes")
struct PopulationTests {
    @Test("that come and go are folded into one row, and nothing is missing from the sums")
    func folding() {
        let scene = Scene()
        scene.observer.apply(.lost(0))
        let count = 3 * Population.goneLimit
        for mm in 1 ... MMID(count) {
            scene.adopt(mm, "AA..")
            scene.call(mm, .mmap(pages(2, 4)), "AA..", "AABB", ["B": .readOnly], stack: 5)
            scene.observer.apply(.frames(mm, 5, ["grow", "main"]))
            scene.observer.apply(.exit(scene.life(mm)))
            scene.observer.settle()
            scene.observer.releaseLayouts()
        }
        let observer = scene.observer
        #expect(observer.images.count <= 2 * Population.goneLimit + 1)
        let others = observer.others!
        #expect(observer.images.count + others.tally.attempts == count)
        #expect(others.command == "(\(others.tally.attempts) others)")
        #expect(others.count == 2 * others.tally.attempts)
        #expect(others.boundaries(observer.judge).total == others.tally.attempts)
        // Misses alike of all that are folded are one row, with its frames.
        let folded = observer.ledger.rows.filter { $0.key.mm == 0 }
        #expect(folded.map(\.count) == [others.tally.missed])
        #expect(observer.frames[0, folded[0].key.stack] == ["grow", "main"])
        #expect(observer.ledger.rows.map(\.count).reduce(0, +) == count)
        #expect(observer.checked == count)
    }

    @Test("history keeps the highest counts, and never grows beyond its limit")
    func history() {
        var history = History()
        for step in 0 ..< 100_000 { history.note(step == 54_321 ? 9_999 : step % 100, at: UInt64(step) * 1_000_000) }
        #expect(history.points.count <= History.limit && history.points.count > History.limit / 4)
        #expect(history.points.contains { $0.count == 9_999 })
        #expect(history.points.map(\.time) == history.points.map(\.time).sorted())
    }
}
