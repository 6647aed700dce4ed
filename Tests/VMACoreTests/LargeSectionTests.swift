import Testing

@testable import VMACore

/// Calls that change very many VMAs at once, which any process can make.
@Suite("Very large write sections")
struct LargeSectionTests {
    /// VMAs of one page, one behind the other, each with an anon_vma of its own, so that none merges.
    private func row(of count: Int, _ flags: VMAFlags) -> [VMA] {
        (0 ..< count).map { index in
            var vma = VMA(pages(index, index + 1), pgoff: page(index) >> 12, flags: flags, anonVMA: UInt32(index + 1))
            vma.traits = [.chainSingular, .ownRoot, .anonKnown]
            return vma
        }
    }

    private func observer(_ before: [VMA], _ after: [VMA], isHooked: Bool = false, _ events: [Event] = []) -> Observer {
        let observer = Observer(judge: Judge(.v6_12), isHooked: isHooked)
        let range = pages(0, before.count)
        observer.apply(.adopted(1, tgid: 100, command: "large"))
        observer.apply(.snapshot(1, before, asOf: 0))
        observer.apply(.rows(Rows(.drawn, range, .before, truncated: false, before)))
        for event in events { observer.apply(event) }
        observer.apply(.rows(Rows(.drawn, range, .after, truncated: false, after)))
        observer.apply(
            .section(
                Section(.drawn, .mprotect(range), stack: 0, ranges: [range], writes: UInt32(before.count), incomplete: false)))
        return observer
    }

    @Test("are judged whole, in time in proportion to their VMAs")
    func whole() {
        let count = 30_000
        let large = observer(row(of: count, .fresh), row(of: count, .fresh.subtracting(.write)))
        // Each but the first looks back at the one before, and misses it.
        #expect(large.checked == count - 1)
        #expect(large.agreed == count - 1)
        #expect(large.ledger.rows.map(\.count).reduce(0, +) == count - 1 && large.ledger.rows.count == 1)
        #expect(large.unjudged == 0)
    }

    @Test("are judged whole by hooks whose outcome is in the rows")
    func hooked() {
        let count = 20_000
        let (before, after) = (row(of: count, .fresh), row(of: count, .fresh.subtracting(.write)))
        let attempts = before.indices.map { index -> Event in
            var proposed = before[index]
            proposed.flags = after[index].flags
            return .attempt(
                HookedAttempt(
                    .drawn, .mprotect(pages(0, count)), stack: 0, site: .iteratedRows, proposed: proposed,
                    prev: index > 0 ? after[index - 1] : nil, next: index + 1 < count ? before[index + 1] : nil,
                    middle: before[index]))
        }
        let large = observer(before, after, isHooked: true, attempts)
        #expect(large.checked == count && large.agreed == count)
    }

    @Test("with more rows than there can be are not judged, and are counted")
    func cut() {
        let count = OpenSection.limit + 10
        let large = observer(row(of: count, .fresh), row(of: count, .fresh.subtracting(.write)))
        #expect(large.checked == 0)
        #expect(large.unjudged == 1)
    }

    @Test("find the same new range whichever way they are searched")
    func covered() {
        var random = SystemRandomNumberGenerator()
        func vmas() -> [VMA] {
            var at = 0
            return (0 ..< Int.random(in: 0 ... 6, using: &random)).map { _ in
                let start = at + Int.random(in: 0 ... 2, using: &random)
                at = start + Int.random(in: 1 ... 4, using: &random)
                return VMA(pages(start, at), pgoff: 0, flags: .fresh)
            }
        }
        for _ in 0 ..< 2000 {
            let (before, after) = (vmas(), vmas())
            let (from, to) = (Int.random(in: 0 ... 10, using: &random), Int.random(in: 11 ... 30, using: &random))
            let section = Section(
                .drawn, .none, stack: 0, ranges: [pages(from, to)], writes: 1, incomplete: false)
            let sections = SectionAttempts(
                rules: SectionAttempts.Rules(.v6_12), section: section, before: before, after: after)
            var expected = AddressRange.empty
            for vma in after {
                var rest = vma.range.intersection(pages(from, to))
                for old in before where !rest.isEmpty && old.range.contains(rest.start) { rest.start = min(old.end, rest.end) }
                for old in before.reversed() where !rest.isEmpty && old.range.contains(rest.end - 1) {
                    rest.end = max(old.start, rest.start)
                }
                if !rest.isEmpty { expected = expected.union(rest) }
            }
            #expect(sections.newlyCovered.isEmpty == expected.isEmpty)
            if !expected.isEmpty { #expect(sections.newlyCovered == expected) }
            for index in 0 ..< 30 {
                #expect(sections.vma(before, page(index)) == before.first { $0.range.contains(page(index)) })
            }
        }
    }

    @Test("have each VMA once, in order")
    func uniqued() {
        var random = SystemRandomNumberGenerator()
        for _ in 0 ..< 2000 {
            let all = row(of: Int.random(in: 1 ... 40, using: &random), .fresh)
            let some = (0 ..< Int.random(in: 0 ... 60, using: &random)).map { _ in all.randomElement(using: &random)! }
            #expect(some.uniqued() == all.filter(some.contains))
        }
    }
}
