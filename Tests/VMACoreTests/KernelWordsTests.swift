import Testing

@testable import VMACore

@Suite("A close hook, by what a kernel was seen to do")
struct CloseRuleTests {
    private static let notes: [Character: Note] = [
        "A": .file(3).traits(.hasClose), "B": .file(3).traits(.hasClose), "*": .file(3).traits(.hasClose),
    ]
    private static func model(_ close: CloseRule) -> KernelModel {
        KernelModel(anonVMARule: .neighbour, hole: .next, close: close)
    }

    @Test("from 6.4 to 6.11 lets prev grow, but neither be joined from the left nor be removed")
    func next() {
        let drawing = Drawing("A*B", Self.notes)
        let part = drawing.judged(by: Self.model(.next), .mprotect, replacesVMA: false)
        #expect(part.prev == "" && part.next == "close")
        let whole = drawing.judged(by: Self.model(.next), .mprotect, replacesVMA: true)
        #expect(whole.prev == "close" && whole.next == "close")
        #expect(drawing.judged(by: Self.model(.any), .mprotect).prev == "close")
        #expect(drawing.judged(by: Self.model(.removed), .mprotect).next == "close", "all three would remove B")
    }

    @Test("that lets itself be removed, as no kernel did, is a combination of its own")
    func taken() {
        let rule = CloseRule(prevGrows: true, nextGrows: false, prevTakes: true)
        #expect(Drawing("A*", Self.notes).judged(by: Self.model(rule), .mprotect, replacesVMA: true).prev == "")
        #expect(Drawing("AB", Self.notes).boundary(by: Self.model(rule)).blockers == [])
        #expect(Self.model(rule).name.contains("close:prev-grows,prev-takes "))
    }

    @Test("has a word for each combination, from which it can be read again")
    func words() {
        var seen: Set<String> = []
        for bits in 0 ..< 16 {
            let rule = CloseRule(
                prevGrows: bits & 1 != 0, nextGrows: bits & 2 != 0, prevTakes: bits & 4 != 0, nextTakes: bits & 8 != 0)
            #expect(CloseRule(rawValue: rule.rawValue) == rule)
            seen.insert(rule.rawValue)
        }
        #expect(seen.count == 16 && seen.isSuperset(of: ["any", "next", "removed"]))
        #expect(CloseRule(rawValue: "prev-grows,often") == nil && CloseRule(rawValue: "none") == nil)
    }
}

@Suite("A hole between two anon_vmas, where a kernel does what none did so far")
struct StrangeHoleTests {
    @Test("is filled apart, or together, as that kernel does")
    func strange() {
        let drawing = Drawing("A*B", ["A": .anon(1), "B": .anon(2)])
        var model = KernelModel.v6_12
        model.hole = .neither
        #expect(drawing.judged(by: model).agreed)
        model.hole = .both
        #expect(drawing.judged(by: model, merged: .both).agreed)
        #expect(model.name.contains("hole:both"))
    }
}

@Suite("The heap's first mapping beside what ends where the heap begins")
struct BrkStartTests {
    private static let bss: [Character: Note] = ["H": .traits(.belowHeap)]
    private static func model(_ brk: KernelModel.BrkRule) -> KernelModel {
        var model = KernelModel.v6_1
        model.brk = brk
        return model
    }

    @Test("is no attempt by a write section where brk does not look there")
    func section() {
        func pictures(_ brk: KernelModel.BrkRule, _ after: String) -> [String] {
            attempts(.brk(to: page(4)), "HH....", after, Self.bss, model: Self.model(brk)).map { picture($0, 6) }
        }
        #expect(pictures(.start, "HHII..").isEmpty && pictures(.unknown, "HHII..").isEmpty)
        #expect(pictures(.any, "HHHH..") == ["((**.."])
        let heap = attempts(.brk(to: page(4)), "HH....", "HHHH..", model: Self.model(.start))
        #expect(heap.map { picture($0, 6) } == ["((**.."], "the heap itself grows as ever")
    }

    @Test("is none by the hooks, either", arguments: [HookedAttempt.Site.brk, .newRange])
    func hooks(_ site: HookedAttempt.Site) {
        let entered = HookedAttempt(site, Drawing("HH**..", Self.bss), .brk(to: page(4)))
        for (brk, expected) in [(KernelModel.BrkRule.start, false), (.unknown, false), (.any, true)] {
            var hooks = HookAttempts(brk: brk)
            _ = hooks.enter(entered, nil)
            let found = hooks.end(.drawn, after: Drawing("HHII..", Self.bss).vmas)
            #expect(found.contains { $0.prev != nil } == expected)
        }
    }
}

@Suite("From the hooks: vma_merge with an iterator")
struct IteratedMergeTests {
    private static func ended(_ site: HookedAttempt.Site, _ told: [AddressRange], after: String = "") -> [String] {
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(site, Drawing("AA**BB"), .mprotect(pages(2, 4))))
        for range in told { hooks.commit(.drawn, range) }
        return hooks.end(.drawn, after: Drawing(after).vmas).map { picture($0, 6) }
    }

    @Test("has merged if a VMA is told that holds the range and more")
    func told() {
        #expect(Self.ended(.iterated, [pages(0, 4)]) == ["((**>>"])
        #expect(Self.ended(.iterated, [pages(2, 6)]) == ["<<**))"])
        #expect(Self.ended(.iterated, [pages(0, 6)]) == ["((**))"])
    }

    @Test("has not if none is told, or others: a new mapping, what madvise goes on with, a page fault")
    func others() {
        for ranges in [[], [pages(2, 4)], [pages(4, 6)], [pages(0, 2)], [pages(3, 6)]] {
            #expect(Self.ended(.iterated, ranges) == ["<<**>>"])
        }
        #expect(Self.ended(.iterated, [pages(0, 4), pages(4, 6)]) == ["((**>>"], "what came first stays true")
    }

    @Test("is read off the rows where nothing tells it, each attempt of a section by itself")
    func rows() {
        #expect(Self.ended(.iteratedRows, [], after: "AAAABB") == ["((**>>"])
        #expect(Self.ended(.iteratedRows, [], after: "AACCBB") == ["<<**>>"])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.iteratedRows, Drawing("AA**BB"), .mprotect(pages(2, 6))))
        #expect(hooks.enter(HookedAttempt(.iteratedRows, Drawing("AACC**"), .mprotect(pages(2, 6)))).isEmpty)
        let found = hooks.end(.drawn, after: Drawing("AACCCC").vmas)
        #expect(found.map { picture($0, 6) } == ["<<**..", "..((**"])
    }

    @Test("asks a second time what mmap_region asked: that one counts", arguments: [HookedAttempt.Site.iterated, .iteratedRows])
    func second(_ site: HookedAttempt.Site) {
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.mmapRegion, Drawing("AA**BB")))
        _ = hooks.enter(HookedAttempt(site, Drawing("AA**BB")))
        hooks.commit(.drawn, pages(0, 4))
        let found = hooks.end(.drawn, after: Drawing("AAAABB").vmas)
        #expect(found.filter(\.outcome.merged).map { picture($0, 6) } == ["((**>>"])
    }
}
