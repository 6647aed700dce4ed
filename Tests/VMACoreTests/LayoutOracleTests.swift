import TestSupport
import Testing

@testable import VMACore

/// An address space as an array of pages: slow, and too simple to be wrong.
struct Pages {
    struct Page: Equatable {
        /// Pages side by side that were mapped together are one VMA.
        var mapping: Int
        var vma: VMA
    }

    var pages: [Page?]
    /// Of the boundaries at the pages' starts.
    var causes: [UInt32]
    private var mappings = 0

    init(_ count: Int) {
        pages = Array(repeating: nil, count: count)
        causes = Array(repeating: 0, count: count + 1)
    }

    mutating func overwrite(_ range: AddressRange, _ vmas: [VMA]) {
        var cover = Self.indices(range)
        if let first = vmas.first, let last = vmas.last {
            let beyond = Self.indices(AddressRange(first.start, last.end))
            cover = cover.isEmpty ? beyond : min(cover.lowerBound, beyond.lowerBound) ..< max(cover.upperBound, beyond.upperBound)
        }
        guard !cover.isEmpty else { return }
        for index in cover { pages[index] = nil }
        for vma in vmas {
            mappings += 1
            for (offset, index) in Self.indices(vma.range).enumerated() {
                var part = vma
                part.range = VMACoreTests.pages(index, index + 1)
                part.pgoff += UInt64(offset)
                // An offset that nobody told does not go along.
                if vma.anonPgoff != 0 || vma.traits.contains(.hasAnonPgoff) { part.anonPgoff += UInt64(offset) }
                pages[index] = Page(mapping: mappings, vma: part)
            }
        }
        for index in cover.lowerBound ... cover.upperBound where !isBoundary(index) { causes[index] = 0 }
    }

    mutating func charge(_ range: AddressRange, to cause: UInt32) {
        let indices = Self.index(range.start) ... Self.index(range.end)
        for index in indices where isBoundary(index) && causes[index] == 0 { causes[index] = cause }
    }

    mutating func charge(at address: UInt64, to cause: UInt32) {
        if isBoundary(Self.index(address)) { causes[Self.index(address)] = cause }
    }

    func isBoundary(_ index: Int) -> Bool {
        guard index > 0, index < pages.count, let left = pages[index - 1], let right = pages[index] else { return false }
        return left.mapping != right.mapping
    }

    static func index(_ address: UInt64) -> Int { Int((address - page(0)) >> 12) }

    /// The numbers of the pages in a range.
    static func indices(_ range: AddressRange) -> Range<Int> {
        range.isEmpty ? 0 ..< 0 : index(range.start) ..< index(range.end)
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
                found.append(content.vma)
            }
        }
        return found
    }
}

@Suite("A layout beside an array of pages")
struct LayoutOracleTests {
    /// What is asked of one comparison.
    struct Course: CustomTestStringConvertible, Sendable {
        var seed: UInt64
        var size: Int
        var operations: Int
        var longest: Int
        /// After so many changes the two are compared.
        var every: Int
        var atLeast: Int
        /// How many names the VMAs bear, so that they come in many kinds.
        var names: UInt32 = 3
        /// The kernel tells the offset of private pages apart.
        var isWide = true

        var testDescription: String { "seed \(seed), \(size) pages" }
    }

    static let courses: [Course] =
        (1 ... 8).map { Course(seed: $0, size: 400, operations: 2_000, longest: 40, every: 10, atLeast: 100) }
        + (11 ... 13).map { Course(seed: $0, size: 12_000, operations: 4_000, longest: 12, every: 250, atLeast: 3_500) }
        + (21 ... 23).map {
            Course(seed: $0, size: 6_000, operations: 4_000, longest: 12, every: 250, atLeast: 3_000, isWide: false)
        }
        + (31 ... 32).map {
            Course(seed: $0, size: 6_000, operations: 3_000, longest: 300, every: 250, atLeast: 2_000, names: 5_000)
        }

    @Test("holds the same after thousands of changes", arguments: courses)
    func holdsTheSame(_ course: Course) {
        var random = SplitMix64(state: course.seed)
        let size = course.size
        let first = (0 ..< size).map { VMA(pages($0, $0 + 1), pgoff: UInt64($0), flags: .fresh) }
        var layout = Layout(first)
        var oracle = Pages(size)
        oracle.overwrite(.empty, first)
        var largest = 0
        for step in 1 ... course.operations {
            var (range, vmas) = Self.change(course, &random)
            if Bool.random(using: &random) {
                let held = layout.vmas(overlapping: range)
                vmas = Self.retold(held, &random)
                guard layout.holds(vmas, in: range) == (vmas == held) else {
                    Issue.record("seed \(course.seed), step \(step): \(range) with \(vmas.map(\.range))")
                    return
                }
            }
            layout.overwrite(range, with: vmas)
            oracle.overwrite(range, vmas)
            switch Int.random(in: 0 ..< 4, using: &random) {
            case 0:
                layout.charge(at: range.start, to: UInt32(step))
                oracle.charge(at: range.start, to: UInt32(step))
            case 1 ... 2:
                layout.charge(range, to: UInt32(step))
                oracle.charge(range, to: UInt32(step))
            default: break
            }
            guard step % course.every == 0 || step == course.operations else { continue }
            largest = max(largest, layout.count)
            let expected = oracle.vmas
            guard layout.vmas == expected, layout.count == expected.count else {
                Issue.record("seed \(course.seed), step \(step): \(range) with \(vmas.map(\.range))")
                return
            }
            #expect(Self.sameLookups(layout, oracle, expected, size, &random), "step \(step)")
            #expect(Self.sameBoundaries(layout, oracle, expected), "step \(step)")
            #expect(layout.flaws == [], "step \(step)")
        }
        #expect(largest >= course.atLeast, "too few VMAs to prove anything: \(largest)")
    }

    /// What a section leaves: as a rule most of what it found.
    private static func retold(_ held: [VMA], _ random: inout SplitMix64) -> [VMA] {
        guard let index = held.indices.randomElement(using: &random) else { return held }
        var vmas = held
        switch Int.random(in: 0 ..< 4, using: &random) {
        case 0: vmas[index].flags.formSymmetricDifference(.locked)
        case 1: vmas.remove(at: index)
        case 2 where held[index].range.pages > 1:
            let middle = held[index].start + (held[index].range.pages / 2) << AddressRange.pageShift
            vmas[index].range.end = middle
            var rest = held[index].clipped(to: AddressRange(middle, held[index].end))
            if !held[index].hasOwnAnonPgoff { rest.anonPgoff = 0 }
            vmas.insert(rest, at: index + 1)
        default: break
        }
        return vmas
    }

    /// A range, and VMAs that lie in it, or reach beyond it, or leave holes in it.
    private static func change(_ course: Course, _ random: inout SplitMix64) -> (AddressRange, [VMA]) {
        let size = course.size
        var from = Int.random(in: 0 ..< size, using: &random)
        var to = min(size, from + Int.random(in: 0 ... course.longest, using: &random))
        // Now and then most of it, so that whole nodes go.
        if Int.random(in: 0 ..< 500, using: &random) == 0 {
            from = Int.random(in: 0 ..< size / 4, using: &random)
            to = Int.random(in: size / 2 ... size, using: &random)
        }
        guard Int.random(in: 0 ..< 4, using: &random) > 0 else { return (pages(from, to), []) }
        var vmas: [VMA] = []
        var at = max(0, from - Int.random(in: 0 ... 2, using: &random))
        let end = min(size, to + Int.random(in: 0 ... 2, using: &random))
        while at < end, vmas.count < 2_000 {
            let stop = min(end, at + Int.random(in: 1 ... 3, using: &random))
            vmas.append(vma(pages(at, stop), course, &random))
            at = stop + max(0, Int.random(in: -3 ... 2, using: &random))
        }
        // Each of them touches the range, as the layout asks for.
        let range = pages(from, to)
        return (range, vmas.filter { $0.start <= range.end && $0.end >= range.start })
    }

    private static func vma(_ range: AddressRange, _ course: Course, _ random: inout SplitMix64) -> VMA {
        func draw(_ most: UInt32) -> UInt32 { UInt32.random(in: 0 ... most, using: &random) }
        let tells = course.isWide && draw(2) > 0
        return VMA(
            range, pgoff: UInt64(draw(9_999)), flags: draw(1) == 0 ? .fresh : [.read], anonVMA: draw(3),
            file: draw(2), policy: draw(1), uffd: draw(1), name: draw(course.names),
            anonPgoff: tells ? UInt64(draw(9_999)) : 0, traits: tells ? [.heap, .hasAnonPgoff] : [.heap])
    }

    private static func sameLookups(
        _ layout: Layout, _ oracle: Pages, _ expected: [VMA], _ size: Int, _ random: inout SplitMix64
    ) -> Bool {
        (0 ..< 20).allSatisfy { _ in
            let index = Int.random(in: 0 ..< size, using: &random)
            let range = pages(index, min(size, index + Int.random(in: 0 ... 30, using: &random)))
            let address = page(index) + UInt64.random(in: 0 ..< 4096, using: &random)
            return layout.cause(at: page(index)) == oracle.causes[index]
                && layout.vma(containing: address) == expected.first { $0.range.contains(address) }
                && layout.vmas(overlapping: range) == expected.filter { !range.isEmpty && $0.range.overlaps(range) }
        }
    }

    private static func sameBoundaries(_ layout: Layout, _ oracle: Pages, _ expected: [VMA]) -> Bool {
        var found: [Int] = []
        var isRight = true
        layout.forEachBoundary { index, left, right, cause in
            found.append(index)
            isRight =
                isRight && expected[index] == left && expected[index + 1] == right
                && cause == oracle.causes[Pages.index(right.start)]
        }
        return isRight && found == expected.indices.dropLast().filter { expected[$0].end == expected[$0 + 1].start }
    }
}
