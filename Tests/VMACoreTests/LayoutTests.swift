import TestSupport
import Testing

@testable import VMACore

@Suite("A layout")
struct LayoutTests {
    /// A layout as it was drawn, each page by its VMA's letter; a changed offset shows as `!`.
    private func picture(_ layout: Layout, _ letters: [AnonVMAID: Character], pages count: Int) -> String {
        String(
            (0 ..< count).map { index in
                guard let vma = layout.vma(containing: page(index)) else { return "." }
                let goesAlong = vma.pgoff(at: page(index)) == page(index) >> 12
                return goesAlong ? letters[vma.anonVMA] ?? "?" : "!"
            })
    }

    private let notes: [Character: Note] = ["A": .anon(1), "B": .anon(2), "C": .anon(3), "D": .anon(4)]
    private let letters: [AnonVMAID: Character] = [1: "A", 2: "B", 3: "C", 4: "D"]

    private static let changes: [(before: String, range: AddressRange, with: String, after: String, count: Int)] = [
        ("......", pages(1, 3), ".CC...", ".CC...", 1),
        ("AAAAAA", pages(2, 4), "......", "AA..AA", 2),
        ("AAAAAA", pages(2, 4), "..CC..", "AACCAA", 3),
        ("AAAAAA", pages(0, 2), "......", "..AAAA", 1),
        ("AAAAAA", pages(4, 6), "......", "AAAA..", 1),
        ("AAABBB", pages(2, 4), "..CC..", "AACCBB", 3),
        ("AABBDD", pages(1, 5), "......", "A....D", 2),
        ("AABBDD", pages(0, 6), "CCCCCC", "CCCCCC", 1),
        ("AABBDD", pages(2, 4), "CCCCCC", "CCCCCC", 1),  // beyond the range, on both sides
        ("AABBDD", pages(2, 4), ".CCC..", "ACCCDD", 3),
        ("AAAAAA", pages(1, 5), ".C.DD.", "AC.DDA", 4),
        ("AAAAAA", pages(3, 3), "......", "AAAAAA", 1),  // an empty range
        ("AAAAAA", pages(3, 3), "..CC..", "AACCAA", 3),
        (".AA.BB", pages(3, 4), "...C..", ".AACBB", 3),
        ("A.....", pages(5, 6), ".....C", "A....C", 2),
        (".....A", pages(0, 1), "C.....", "C....A", 2),
    ]

    @Test("overwrites as drawn", arguments: changes.indices)
    func drawn(_ index: Int) {
        let change = Self.changes[index]
        var layout = Layout(Drawing(change.before, notes).vmas)
        layout.overwrite(change.range, with: Drawing(change.with, notes).vmas)
        #expect(picture(layout, letters, pages: 6) == change.after)
        #expect(layout.count == change.count && layout.vmas.count == change.count)
    }

    @Test("does nothing to nothing")
    func empty() {
        var layout = Layout()
        layout.overwrite(.empty)
        layout.overwrite(pages(0, 10))
        #expect(layout.count == 0 && layout.vmas.isEmpty)
        #expect(layout.vma(containing: page(3)) == nil)
        #expect(layout.vmas(overlapping: AddressRange(0, .max)).isEmpty)
        layout.forEachBoundary { _, _, _, _ in Issue.record("a boundary in an empty layout") }
    }

    @Test("can be emptied at once and filled again", arguments: [1, 127, 128, 129, 10_500])
    func emptied(_ count: Int) {
        let vmas = (0 ..< count).map { VMA(pages(2 * $0, 2 * $0 + 1), pgoff: UInt64($0), flags: .fresh) }
        var layout = Layout()
        layout.overwrite(pages(0, 2 * count), with: vmas)
        #expect(layout.count == count && layout.vmas == vmas)
        #expect(layout.vma(containing: page(2 * count - 2)) == vmas.last)
        layout.overwrite(AddressRange(0, .max))
        #expect(layout.count == 0 && layout.vmas.isEmpty)
        layout = Layout(vmas.reversed())
        #expect(layout.count == count && layout.vmas == vmas)
    }

    @Test("reaches to the end of the address space")
    func extremes() {
        let last = VMA(AddressRange(.max - 4095, .max), pgoff: 0, flags: .fresh)
        let first = VMA(AddressRange(0, 4096), pgoff: 0, flags: .fresh)
        let layout = Layout([last, first])
        #expect(layout.vmas == [first, last])
        #expect(layout.vma(containing: .max - 1) == last)
        #expect(layout.vma(containing: .max) == nil)
        #expect(layout.vma(containing: 0) == first)
    }

    @Test("counts boundaries only where there is no gap, by the index of the left VMA")
    func boundaries() {
        var found: [Int] = []
        Layout(Drawing("AAB.CCD.A", notes).vmas).forEachBoundary { index, _, _, _ in found.append(index) }
        #expect(found == [0, 2])
    }

    private static let causes: [(before: String, range: AddressRange, with: String, after: [UInt32])] = [
        // Each boundary of what was before has its page's number as its cause.
        ("AABBCC", pages(6, 7), "......", [0, 0, 2, 0, 4, 0]),
        ("AABBCC", pages(2, 4), "..DD..", [0, 0, 2, 0, 4, 0]),  // both stay boundaries
        ("AABBCC", pages(0, 2), "DDDDDD", [0, 0, 0, 0, 0, 0]),
        ("AABBCC", pages(1, 3), ".DD...", [0, 0, 0, 0, 4, 0]),  // new ones have none
        ("AABBCC", pages(1, 3), ".DE...", [0, 0, 2, 0, 4, 0]),
        ("AABBCC", pages(3, 4), "......", [0, 0, 2, 0, 0, 0]),  // no boundary any more
        ("AABBCC", pages(2, 3), "......", [0, 0, 0, 0, 4, 0]),
        ("AABBCC", pages(2, 6), "..DD..", [0, 0, 2, 0, 0, 0]),
        ("A.BBBB", pages(1, 2), ".D....", [0, 0, 0, 0, 0, 0]),
    ]

    @Test("keeps the cause of a boundary that stays one", arguments: causes.indices)
    func keptCauses(_ index: Int) {
        let change = Self.causes[index]
        var layout = Layout(Drawing(change.before, notes).vmas)
        for number in 0 ..< 6 { layout.charge(at: page(number), to: UInt32(number)) }
        layout.overwrite(change.range, with: Drawing(change.with, notes).vmas)
        #expect((0 ..< 6).map { layout.cause(at: page($0)) } == change.after)
        // What is made there again is new.
        layout.overwrite(pages(0, 6))
        layout.overwrite(pages(0, 6), with: Drawing(change.before, notes).vmas)
        #expect((0 ..< 6).allSatisfy { layout.cause(at: page($0)) == 0 })
    }

    @Test("charges only boundaries of unknown cause, those at both ends of the range, too")
    func charged() {
        var layout = Layout(Drawing("ABCD.AB", notes).vmas)
        func causes() -> [UInt32] { (0 ... 7).map { layout.cause(at: page($0)) } }
        layout.charge(at: page(2), to: 7)
        layout.charge(pages(1, 3), to: 8)
        #expect(causes() == [0, 8, 7, 8, 0, 0, 0, 0])
        layout.charge(pages(3, 3), to: 9)
        layout.charge(.all, to: 9)
        #expect(causes() == [0, 8, 7, 8, 0, 0, 9, 0], "a VMA that touches none has no boundary")
        layout.charge(at: page(3), to: 10)
        layout.charge(at: page(3) + 1, to: 11)
        layout.charge(at: page(5), to: 11)
        layout.charge(AddressRange(page(6), page(1)), to: 11)
        #expect(causes() == [0, 8, 7, 10, 0, 0, 9, 0])
        var told: [UInt32] = []
        layout.forEachBoundary { _, _, _, cause in told.append(cause) }
        #expect(told == [8, 7, 10, 9])
    }

    @Test("leaves its copies as they were, in causes and in VMAs")
    func copies() {
        let before = Layout(Drawing("AABBCC", notes).vmas)
        var changed = before
        changed.charge(.all, to: 3)
        #expect(before.cause(at: page(2)) == 0 && changed.cause(at: page(2)) == 3)
        var emptied = changed
        emptied.overwrite(.all)
        #expect(emptied.count == 0 && picture(changed, letters, pages: 6) == "AABBCC")
        #expect(changed.cause(at: page(4)) == 3)
        // One that is walked along is a copy, too.
        var walked: [VMA] = []
        for (vma, _) in changed.rows(overlapping: .all) {
            walked.append(vma)
            changed.overwrite(pages(0, 6))
        }
        #expect(walked == before.vmas && changed.count == 0)
    }

    @Test("gets room for the kernel's offset of private pages when the first has one")
    func widened() {
        let flat = (0 ..< 200).map { VMA(pages($0, $0 + 1), pgoff: UInt64($0), flags: .fresh) }
        var layout = Layout(flat)
        layout.charge(.all, to: 4)
        let told = VMA(pages(50, 60), pgoff: 3, flags: .fresh, anonPgoff: 9, traits: .hasAnonPgoff)
        layout.overwrite(told.range, with: [told])
        #expect(layout.vmas == flat[..<50] + [told] + flat[60...])
        #expect(layout.cause(at: page(50)) == 4 && layout.cause(at: page(60)) == 4)
        layout.overwrite(pages(54, 56))
        #expect(layout.vmas(overlapping: pages(50, 60)) == [told.clipped(to: pages(50, 54)), told.clipped(to: pages(56, 60))])
    }

    @Test("takes what no kernel tells as it is, and never traps")
    func hostile() {
        var random = SplitMix64(state: 5)
        let ends: [UInt64] = [0, 1, 4095, 4096, 4097, 1 << 47, 1 << 56, 1 << 63, .max - 4096, .max - 1, .max]
        func address() -> UInt64 {
            let end = ends.randomElement(using: &random)!
            return random.next() % 2 == 0 ? end : end &+ random.next() % 10_000
        }
        var layout = Layout()
        for step in 0 ..< 5_000 {
            let vmas = (0 ..< random.next() % 4).map { _ in
                VMA(
                    AddressRange(address(), address()), pgoff: random.next(), flags: VMAFlags(rawValue: random.next()),
                    file: .max, name: UInt32(random.next() % 8), anonPgoff: random.next(), traits: .hasAnonPgoff)
            }
            layout.overwrite(AddressRange(address(), address()), with: vmas)
            layout.charge(AddressRange(address(), address()), to: UInt32(step))
            layout.charge(at: address(), to: UInt32(step))
            let all = layout.vmas
            #expect(layout.count == all.count && layout.flaws == [])
            #expect(all.allSatisfy { !$0.range.isEmpty } && zip(all, all.dropFirst()).allSatisfy { $0.end <= $1.start })
            let at = address()
            #expect(layout.vma(containing: at) == all.first { $0.range.contains(at) })
            #expect(layout.vmas(overlapping: AddressRange(at, .max)) == all.filter { $0.end > at && at < .max })
        }
    }

    @Test("writes VMAs that overlap one after the other, and leaves empty ones out")
    func damaged() {
        let vmas = [
            VMA(pages(2, 6), pgoff: 0, flags: .fresh), VMA(pages(0, 3), pgoff: 100, flags: .fresh),
            VMA(pages(4, 4), pgoff: 200, flags: .fresh), VMA(pages(5, 4), pgoff: 300, flags: .fresh),
        ]
        let right = [VMA(pages(0, 3), pgoff: 100, flags: .fresh), VMA(pages(3, 6), pgoff: 1, flags: .fresh)]
        #expect(Layout(vmas).vmas == right)
        var layout = Layout([VMA(pages(-3, 9), pgoff: 50, flags: .fresh)])
        layout.overwrite(pages(1, 2), with: vmas)
        #expect(layout.vmas(overlapping: pages(0, 6)) == right && layout.count == 4)
        // Not at page boundaries.
        layout = Layout([VMA(AddressRange(5, 20_005), pgoff: 1, flags: .fresh)])
        layout.overwrite(AddressRange(10, 9_007))
        #expect(layout.vmas.map(\.range) == [AddressRange(5, 10), AddressRange(9_007, 20_005)])
        #expect(layout.vmas.map(\.pgoff) == [1, 3])
    }
}
