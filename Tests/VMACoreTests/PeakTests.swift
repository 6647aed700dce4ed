import Testing

@testable import VMACore

@Suite("What stood at the peak")
struct PeakTests {
    private let notes: [Character: Note] = ["B": .readOnly]

    private func striped(_ count: Int) -> String { String((0 ..< 20).map { $0 < count ? $0 % 2 == 0 ? "A" : "B" : "." }) }

    @Test("is kept, with its causes, when all of it is unmapped; and asks for their frames")
    func gone() throws {
        let scene = Scene()
        scene.adopt(1, "A...................")
        scene.call(1, .mmap(pages(0, 20)), "A...................", striped(20), notes, stack: 7)
        scene.call(1, .munmap(pages(1, 20)), striped(20), "A...................", notes, stack: 8)
        let image = try #require(scene.observer.image(1))
        let (at, boundaries) = image.boundariesAtPeak(scene.observer.judge)
        #expect(at == 20 && image.peakCount == 20 && image.count == 1)
        #expect(boundaries.blockedBy == [.protection: 19])
        #expect(boundaries.rows.compactMap { scene.observer.causes[$0.kind.cause] }.allSatisfy { $0 == Cause(.mmap, stack: 7) })
        _ = scene.observer.takeRequests()
        scene.observer.wantStacks(of: image)
        #expect(scene.observer.takeRequests().stacks.map(\.stack) == [7])
    }

    @Test("is what stands as long as the count has never fallen")
    func stands() throws {
        let scene = Scene()
        scene.adopt(1, "A...................")
        scene.call(1, .mmap(pages(0, 20)), "A...................", striped(15), notes, stack: 7)
        let image = try #require(scene.observer.image(1))
        #expect(image.boundariesAtPeak(scene.observer.judge).at == 15)
        #expect(image.peak.count == 0, "nothing has been copied")
    }

    @Test("outlives the process, and the letting go of its layout")
    func released() throws {
        let scene = Scene()
        scene.adopt(1, "A...................")
        scene.call(1, .mmap(pages(0, 20)), "A...................", striped(20), notes)
        scene.call(1, .munmap(pages(1, 20)), striped(20), "A...................", notes)
        let image = try #require(scene.observer.image(1))
        scene.observer.apply(.exit(scene.life(1)))
        image.releaseLayout(scene.observer.judge)
        #expect(image.layout.count == 0)
        let (at, boundaries) = image.boundariesAtPeak(scene.observer.judge)
        #expect(at == 20 && boundaries.total == 19)
    }

    @Test("is copied as often as the count has grown by a sixteenth, and no saw-tooth copies it more")
    func bounded() {
        var peak = Peak()
        var copies = 0
        func rise(to count: Int) -> Layout {
            Layout(
                (0 ..< count).map { index -> VMA in
                    let start = UInt64(2 * index) << 12
                    return VMA(AddressRange(start, start + 4096), pgoff: 0, flags: .fresh)
                })
        }
        for count in 1 ... 1000 {
            let layout = rise(to: count)
            let before = peak.count
            // The last one is unmapped, and mapped again: a saw-tooth on a slope.
            peak.keep(layout, before: layout.vmas[count - 1].range, [], most: count)
            if peak.count != before { copies += 1 }
        }
        #expect(copies < 70)
        #expect(peak.count > 1000 - 1000 / 16)
    }

    @Test(
        "knows what an overwrite would leave",
        arguments: [
            ("AAAAAA", 2, 4, "..B...", 3), ("AAAAAA", 0, 6, "......", 0), ("A.B.C.", 0, 3, "......", 1),
            ("AB....", 2, 4, "..CD..", 4), ("AAA...", 1, 2, ".B....", 3), ("AAA...", 1, 2, "......", 2),
            ("AABB..", 1, 3, "......", 2), ("AABBCC", 1, 5, "......", 2), ("AABBCC", 1, 5, ".D....", 3),
        ])
    func counting(_ before: String, _ from: Int, _ to: Int, _ rows: String, _ expected: Int) {
        var layout = Layout(Drawing(before).vmas)
        let vmas = Drawing(rows).vmas
        #expect(layout.shrinks(pages(from, to), with: vmas) == (expected < layout.count))
        layout.overwrite(pages(from, to), with: vmas)
        #expect(layout.count == expected)
    }
}
