import Testing

@testable import VMACore

/// SplitMix64: the same numbers on every machine, whatever the library's generator does.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// An address space as an array of pages: slow, and too simple to be wrong.
struct Pages {
    struct Page: Equatable {
        /// Pages side by side that were mapped together are one VMA.
        var mapping: Int
        var pgoff: UInt64
        var anonPgoff: UInt64
        var flags: VMAFlags
        var anonVMA: AnonVMAID
    }

    var pages: [Page?]
    /// Of the boundary before a page.
    private(set) var causes: [UInt32]
    private var mappings = 0

    init(_ count: Int) {
        pages = Array(repeating: nil, count: count)
        causes = Array(repeating: 0, count: count)
    }

    private func isBoundary(_ index: Int) -> Bool {
        guard index > 0, let left = pages[index - 1], let right = pages[index] else { return false }
        return left.mapping != right.mapping
    }

    mutating func charge(_ range: AddressRange, to cause: UInt32) {
        for index in pages.indices where range.start <= page(index) && page(index) <= range.end {
            if isBoundary(index), causes[index] == 0 { causes[index] = cause }
        }
    }

    mutating func charge(at index: Int, to cause: UInt32) {
        if isBoundary(index) { causes[index] = cause }
    }

    mutating func overwrite(_ range: AddressRange, _ vmas: [VMA]) {
        place(range, vmas)
        let touched = vmas.reduce(range) { $0.union($1.range) }
        for index in Self.indices(touched).clamped(to: pages.indices) where !isBoundary(index) { causes[index] = 0 }
        let end = Self.indices(touched).upperBound
        if end < pages.count, !isBoundary(end) { causes[end] = 0 }
    }

    private mutating func place(_ range: AddressRange, _ vmas: [VMA]) {
        for index in Self.indices(range) { pages[index] = nil }
        if let first = vmas.first, let last = vmas.last {
            for index in Self.indices(AddressRange(first.start, last.end)) { pages[index] = nil }
        }
        for vma in vmas {
            mappings += 1
            for (offset, index) in Self.indices(vma.range).enumerated() {
                pages[index] = Page(
                    mapping: mappings, pgoff: vma.pgoff + UInt64(offset),
                    anonPgoff: vma.anonPgoff + UInt64(offset), flags: vma.flags, anonVMA: vma.anonVMA)
            }
        }
    }

    /// The numbers of the pages in a range.
    static func indices(_ range: AddressRange) -> Range<Int> {
        guard !range.isEmpty else { return 0..<0 }
        return Int((range.start - page(0)) >> 12)..<Int((range.end - page(0)) >> 12)
    }

    var vmas: [VMA] {
        var found: [VMA] = []
        var last: Page?
        for (index, content) in pages.enumerated() {
            defer { last = content }
            guard let content else { continue }
            if let last, last.mapping == content.mapping {
                found[found.count - 1].range.end = page(index + 1)
            } else {
                found.append(
                    VMA(
                        AddressRange(page(index), page(index + 1)), pgoff: content.pgoff,
                        flags: content.flags, anonVMA: content.anonVMA, anonPgoff: content.anonPgoff))
            }
        }
        return found
    }
}

@Suite("A layout beside an array of pages")
struct LayoutOracleTests {
    @Test("holds the same after thousands of changes", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func small(_ seed: UInt64) {
        check(seed: seed, size: 400, operations: 2_000, longest: 40, every: 3, atLeast: 100)
    }

    @Test("holds the same with many chunks", arguments: [11, 12, 13] as [UInt64])
    func large(_ seed: UInt64) {
        check(seed: seed, size: 12_000, operations: 4_000, longest: 12, every: 200, atLeast: 5_000)
    }

    private func check(seed: UInt64, size: Int, operations: Int, longest: Int, every: Int, atLeast: Int) {
        var random = SplitMix64(state: seed)
        let first = (0..<size).map { VMA(pages($0, $0 + 1), pgoff: UInt64($0), flags: .fresh) }
        var layout = Layout(first)
        var oracle = Pages(size)
        oracle.overwrite(.empty, first)
        var largest = 0
        for step in 1...operations {
            let (range, vmas) = Self.change(size, longest, &random)
            layout.overwrite(range, with: vmas)
            oracle.overwrite(range, vmas)
            let place = Int.random(in: 0..<size, using: &random)
            if step % 5 == 0 {
                let charged = pages(place, min(size, place + longest))
                layout.charge(charged, to: UInt32(step))
                oracle.charge(charged, to: UInt32(step))
            } else if step % 7 == 0 {
                layout.charge(at: page(place), to: UInt32(step))
                oracle.charge(at: place, to: UInt32(step))
            }
            guard step % every == 0 || step == operations else { continue }
            largest = max(largest, layout.count)
            let expected = oracle.vmas
            guard layout.vmas == expected, layout.count == expected.count else {
                Issue.record("seed \(seed), step \(step): \(range) with \(vmas.map(\.range))")
                return
            }
            #expect(Self.sameLookups(layout, expected, size, &random), "seed \(seed), step \(step)")
            #expect(Self.sameBoundaries(layout, expected), "seed \(seed), step \(step)")
            let causes = (0..<size).map { layout.cause(at: page($0)) }
            #expect(causes == oracle.causes, "seed \(seed), step \(step)")
        }
        #expect(largest >= atLeast, "too few VMAs to prove anything: \(largest)")
    }

    /// A range, and VMAs that lie in it, or reach beyond it, or leave holes in it.
    private static func change(_ size: Int, _ longest: Int, _ random: inout SplitMix64) -> (AddressRange, [VMA]) {
        var from = Int.random(in: 0..<size, using: &random)
        var to = min(size, from + Int.random(in: 0...longest, using: &random))
        // Now and then most of it, so that whole chunks go.
        if Int.random(in: 0..<500, using: &random) == 0 {
            from = Int.random(in: 0..<size / 4, using: &random)
            to = Int.random(in: size / 2...size, using: &random)
        }
        guard Int.random(in: 0..<4, using: &random) > 0 else { return (pages(from, to), []) }
        var vmas: [VMA] = []
        var at = max(0, from - Int.random(in: 0...2, using: &random))
        let end = min(size, to + Int.random(in: 0...2, using: &random))
        while at < end, vmas.count < 1_000 {
            let stop = min(end, at + Int.random(in: 1...3, using: &random))
            let pgoff = UInt64.random(in: 0...9_999, using: &random)
            vmas.append(
                VMA(
                    pages(at, stop), pgoff: pgoff, flags: Bool.random(using: &random) ? .fresh : [.read],
                    anonVMA: UInt32.random(in: 0...3, using: &random), anonPgoff: 9_999 - pgoff))
            at = stop + max(0, Int.random(in: -3...2, using: &random))
        }
        // Each of them touches the range, as the layout asks for.
        let range = pages(from, to)
        return (range, vmas.filter { $0.start <= range.end && $0.end >= range.start })
    }

    private static func sameLookups(
        _ layout: Layout, _ expected: [VMA], _ size: Int, _ random: inout SplitMix64
    ) -> Bool {
        (0..<20).allSatisfy { _ in
            let index = Int.random(in: 0..<size, using: &random)
            let range = pages(index, min(size, index + Int.random(in: 0...30, using: &random)))
            let address = page(index) + UInt64.random(in: 0..<4096, using: &random)
            return layout.vma(containing: address) == expected.first { $0.range.contains(address) }
                && layout.vmas(overlapping: range) == expected.filter { !range.isEmpty && $0.range.overlaps(range) }
        }
    }

    private static func sameBoundaries(_ layout: Layout, _ expected: [VMA]) -> Bool {
        var found: [Int] = []
        var isRight = true
        layout.forEachBoundary { index, left, right, _ in
            found.append(index)
            isRight = isRight && expected[index] == left && expected[index + 1] == right
        }
        return isRight && found == expected.indices.dropLast().filter { expected[$0].end == expected[$0 + 1].start }
    }
}

@Suite("A layout")
struct LayoutTests {
    /// A layout as it was drawn, each page by its VMA's letter; a changed offset shows as `!`.
    private func picture(_ layout: Layout, _ letters: [AnonVMAID: Character], pages count: Int) -> String {
        String(
            (0..<count).map { index in
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
        let vmas = (0..<count).map { VMA(pages(2 * $0, 2 * $0 + 1), pgoff: UInt64($0), flags: .fresh) }
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
}
