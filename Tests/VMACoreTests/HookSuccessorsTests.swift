import Testing

@testable import VMACore

@Suite("From the hooks: vma_merge_new_range")
struct HookedNewRangeTests {
    private let first = HookedAttempt(.newRange, Drawing("AA**BB"))
    private let second = HookedAttempt(.newRange, Drawing("AA**BB", ["*": .flag(.dontDump)]))

    @Test("that an mmap asks twice, its flags changed by a driver, counts once, and as it was asked last")
    func twice() {
        let hooks = Hooks()
        #expect(hooks.enter(first).isEmpty && hooks.enter(second).isEmpty)
        hooks.commit(.drawn, pages(0, 4))
        let merged = hooks.end(.drawn, after: [])
        #expect(merged.map { picture($0, 6) } == ["((**>>"])
        #expect(merged.map { $0.proposed.flags.contains(.dontDump) } == [true])

        #expect(hooks.enter(first).isEmpty && hooks.enter(second).isEmpty)
        let refused = hooks.end(.drawn, after: [])
        #expect(refused.map { picture($0, 6) } == ["<<**>>"])
        #expect(refused.map { $0.proposed.flags.contains(.dontDump) } == [true])
    }

    @Test("that an mmap asks again after a commit, or elsewhere, was another one")
    func another() {
        let hooks = Hooks()
        _ = hooks.enter(first)
        hooks.commit(.drawn, pages(0, 4))
        #expect(hooks.enter(second).map { picture($0, 6) } == ["((**>>"])
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])

        _ = hooks.enter(first)
        #expect(hooks.enter(HookedAttempt(.newRange, Drawing("......C*"))).map { picture($0, 6) } == ["<<**>>"])
        #expect(hooks.end(.drawn, after: []).map { picture($0, 8) } == ["......<*"])
    }

    @Test("that anything but an mmap asks twice counts twice, and so does another function's question")
    func notMmap() {
        let hooks = Hooks()
        let move = Syscall.mremap(pages(6, 8), to: pages(2, 4))
        _ = hooks.enter(HookedAttempt(.newRange, Drawing("AA**BB"), move))
        #expect(hooks.enter(HookedAttempt(.newRange, Drawing("AA**BB"), move)).count == 1)
        #expect(hooks.end(.drawn, after: []).count == 1)
        _ = hooks.enter(first)
        #expect(hooks.enter(HookedAttempt(.modify, Drawing("AA**BB"))).count == 1)
        #expect(hooks.end(.drawn, after: []).count == 1)
    }

    @Test("that another thread asks at the same place is its own")
    func threads() {
        let hooks = Hooks()
        _ = hooks.enter(first)
        #expect(hooks.enter(HookedAttempt(.newRange, Drawing("AA**BB"), tid: 7)).isEmpty)
        #expect(hooks.end(.drawn, after: []).count == 1)
        #expect(hooks.end(.thread(7), after: []).count == 1)
    }

    @Test("that brk asks only looks back")
    func brk() {
        let heap = HookedAttempt(.newRange, Drawing("HH**B", ["H": .traits(.heap)]), .brk(to: page(4)))
        let hooks = Hooks()
        _ = hooks.enter(heap)
        hooks.commit(.drawn, pages(0, 4))
        let grown = hooks.end(.drawn, after: [])
        #expect(grown.map { picture($0, 5) } == ["((**."])
        #expect(grown.map(\.operation) == [.brk] && grown.map(\.considersNext) == [false])
        _ = hooks.enter(heap)
        #expect(hooks.end(.drawn, after: []).map { picture($0, 5) } == ["<<**."])
    }

    @Test("that mremap asks for each of several VMAs is an attempt for each, the copy before being the second's side")
    func severalMoved() {
        let source = Drawing("SSTT", ["S": .anon(1), "T": .anon(2).named(1)]).vmas
        let move = Syscall.mremap(pages(0, 4), to: pages(6, 10))
        let notes: [Character: Note] = ["S": .anon(1), "T": .anon(2).named(1), "U": .anon(1).pgoff(-6)]
        let hooks = Hooks()
        // C stands where the second one will come to lie.
        let one = HookedAttempt(
            .newRange, Drawing("SSTT.A**CC", notes.merging(["*": .anon(1).pgoff(-6)]) { $1 }), move, middle: source[0])
        #expect(hooks.enter(one, found: Drawing("SSTT.ABBCC", notes)).isEmpty)
        let two = HookedAttempt(
            .newRange, Drawing("..TT.AUU**DD", notes.merging(["*": .anon(2).pgoff(-6).named(1)]) { $1 }), move,
            middle: source[1])
        let first = hooks.enter(two, found: Drawing("SSTT.ABBCCDD", notes))
        #expect(first.map { picture($0, 10) } == [".....<**!!"])
        let second = hooks.end(.drawn, after: [])
        #expect(second.map { picture($0, 12) } == ["......<<**>>"])
        #expect((first + second).map(\.operation) == [.mremap, .mremap])
        #expect((first + second).map(\.isCopy) == [true, true])
        #expect((first + second).map(\.replacesVMA) == [false, false])
        #expect((first + second).map(\.proposed.traits) == source.map(\.traits))
        #expect(second.map { Judge(.v6_18).judge($0).prev } == ["anon_vma+anon_name"])
    }

    @Test("that mremap asks for several VMAs has no side in those still to be moved")
    func severalBehind() {
        let source = Drawing("SSTT", ["S": .anon(1), "T": .anon(2)]).vmas
        let move = Syscall.mremap(pages(0, 4), to: pages(4, 8))
        let hooks = Hooks()
        let one = Drawing("SSTT**..", ["S": .anon(1), "T": .anon(2), "*": .anon(1).pgoff(-4)])
        _ = hooks.enter(HookedAttempt(.newRange, one, move, middle: source[0]))
        let two = Drawing("..TTUU**", ["T": .anon(2), "U": .anon(1).pgoff(-4), "*": .anon(2).pgoff(-4)])
        let first = hooks.enter(HookedAttempt(.newRange, two, move, middle: source[1]))
        #expect(first.map { picture($0, 8) } == ["..!!**.."] && first.map(\.isCopy) == [true])
        #expect(hooks.end(.drawn, after: []).map { picture($0, 8) } == ["....<<**"])
    }
}

@Suite("From the hooks: kernels that merge a new mapping by themselves")
struct HookedRegionTests {
    private let region = HookedAttempt(.mmapRegion, Drawing("AA**BB"))

    @Test("an mmap's outcome is what the section leaves")
    func outcome() {
        for (after, expected) in [
            ("AAAABB", "((**>>"), ("AABBBB", "<<**))"), ("AAAAAA", "((**))"), ("AACCBB", "<<**>>"),
        ] {
            let hooks = Hooks()
            #expect(hooks.enter(region).isEmpty)
            #expect(hooks.end(.drawn, after: Drawing(after).vmas).map { picture($0, 6) } == [expected])
            #expect(hooks.end(.drawn, after: Drawing(after).vmas).isEmpty)
        }
    }

    @Test("an mmap's final flags are those of what it left")
    func finalFlags() {
        let bare = HookedAttempt(.mmapRegion, Drawing("AA**BB", ["*": .without(.account)]))
        let hooks = Hooks()
        _ = hooks.enter(bare)
        let found = hooks.end(.drawn, after: Drawing("AAAABB", ["A": .anon(1).traits(.heap)]).vmas)
        #expect(found.map(\.proposed.flags) == [.fresh])
        #expect(found.map(\.proposed.anonVMA) == [0], "but not its anon_vma")
        #expect(found.map(\.proposed.traits) == [.heap])
    }

    @Test("what an mmap replaces says nothing of it, as that it has a close hook")
    func replaced() {
        let old = Drawing("AASSBB", ["S": .traits(.hasClose)]).vmas[1]
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.mmapRegion, Drawing("AA**BB"), .mmap(pages(2, 4), fixed: true), middle: old))
        let found = hooks.end(.drawn, after: Drawing("AAAAAA").vmas)
        #expect(found.map { picture($0, 6) } == ["((**))"] && found.map(\.proposed.traits) == [[]])
        #expect(found.allSatisfy { Judge(.v6_1).judge($0).agreed && !$0.replacesVMA })
    }

    @Test("an mmap that becomes mergeable late is not so when it is decided", arguments: [true, false])
    func mergeableLate(_ isLate: Bool) {
        var hooks = HookAttempts(mergeableLate: isLate)
        _ = hooks.enter(region, nil)
        let after = Drawing("AACCBB", ["A": .flag(.mergeable), "B": .flag(.mergeable), "C": .flag(.mergeable)])
        let found = hooks.end(.drawn, after: after.vmas)
        #expect(found.map { $0.proposed.flags.contains(.mergeable) } == [!isLate])
        _ = hooks.enter(HookedAttempt(.mmapRegion, Drawing("AA**BB", ["*": .flag(.mergeable)])), nil)
        #expect(hooks.end(.drawn, after: after.vmas).map { $0.proposed.flags.contains(.mergeable) } == [true])
    }

    @Test("an mmap that failed is no attempt")
    func failed() {
        let hooks = Hooks()
        _ = hooks.enter(region)
        #expect(hooks.end(.drawn, after: Drawing("AA..BB").vmas).isEmpty)
        _ = hooks.enter(region)
        #expect(hooks.end(.drawn, after: Drawing("AAA.BB").vmas).isEmpty, "not the whole of it")
        _ = hooks.enter(region)
        #expect(hooks.enter(HookedAttempt(.mmapRegion, Drawing("..BB**"))).isEmpty, "its section never ended")
        #expect(hooks.end(.drawn, after: Drawing("..BBCC").vmas).map { picture($0, 6) } == ["..<<**"])
    }

    @Test("an mmap or a brk with nobody beside it is no attempt")
    func alone() {
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.mmapRegion, Drawing("A.**.B")))
        #expect(hooks.end(.drawn, after: Drawing("A.CC.B").vmas).isEmpty)
        _ = hooks.enter(HookedAttempt(.brk, Drawing("A.**BB"), .brk(to: page(4))))
        #expect(hooks.end(.drawn, after: Drawing("A.HHBB").vmas).isEmpty, "and above, brk doesn't look")
        _ = hooks.enter(HookedAttempt(.mmapRegion, Drawing("A.**BB")))
        #expect(hooks.end(.drawn, after: Drawing("A.CCBB").vmas).map { picture($0, 6) } == ["..**>>"])
    }

    @Test("an mmap is asked for again by vma_merge when a driver has changed the flags")
    func again() {
        let second = HookedAttempt(.vmaMerge, Drawing("AA**BB", ["*": .flag(.dontDump)]))
        let hooks = Hooks()
        #expect(hooks.enter(region).isEmpty && hooks.enter(second).isEmpty)
        hooks.commit(.drawn, pages(0, 4))
        let merged = hooks.end(.drawn, after: Drawing("AAAABB", ["A": .flag(.dontDump)]).vmas)
        #expect(merged.map { picture($0, 6) } == ["<<**>>", "((**>>"])
        #expect(merged.map { $0.proposed.flags.contains(.dontDump) } == [true, true])

        _ = hooks.enter(region)
        _ = hooks.enter(second)
        let refused = hooks.end(.drawn, after: Drawing("AACCBB", ["C": .flag(.dontDump)]).vmas)
        #expect(refused.map { picture($0, 6) } == ["<<**>>", "<<**>>"])
    }

    @Test("a vma_merge elsewhere is not the second question of an mmap")
    func elsewhere() {
        let hooks = Hooks()
        _ = hooks.enter(region)
        #expect(hooks.enter(HookedAttempt(.vmaMerge, Drawing("....C*"))).isEmpty)
        hooks.commit(.drawn, pages(4, 6))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["....(*"])
    }

    @Test("a commit says nothing of an mmap whose outcome is still to come")
    func commitOfRegion() {
        let hooks = Hooks()
        _ = hooks.enter(region)
        hooks.commit(.drawn, pages(0, 2))
        #expect(hooks.end(.drawn, after: Drawing("AAAABB").vmas).map { picture($0, 6) } == ["((**>>"])
    }

    @Test("an mmap in the middle of a VMA looks at both its rests, which are no sides")
    func fixedInside() {
        let whole = Drawing("AAAAAA").vmas[0]
        var inside = HookedAttempt(.mmapRegion, Drawing("..**.."), .mmap(pages(2, 4), fixed: true), middle: whole)
        (inside.prev, inside.next) = (whole, whole)
        let hooks = Hooks()
        _ = hooks.enter(inside)
        #expect(hooks.end(.drawn, after: Drawing("AADDAA").vmas).map { picture($0, 6) } == ["!!**!!"])
        _ = hooks.enter(inside)
        let rejoined = hooks.end(.drawn, after: Drawing("AAAAAA").vmas)
        #expect(rejoined.map { picture($0, 6) } == ["((**))"])
        #expect(rejoined.allSatisfy { Judge(.v6_1).judge($0).agreed })
    }

    @Test("brk only looks back, whatever syscall it is in")
    func brk() {
        let heap = Drawing("HH**B", ["H": .traits(.heap)])
        for syscall: Syscall in [.brk(to: page(4)), .none] {
            let hooks = Hooks()
            _ = hooks.enter(HookedAttempt(.brk, heap, syscall))
            let grown = hooks.end(.drawn, after: Drawing("HHHHB", ["H": .traits(.heap)]).vmas)
            #expect(grown.map { picture($0, 5) } == ["((**."])
            #expect(grown.map(\.operation) == [.brk] && grown.map(\.considersNext) == [false])
            #expect(grown.map(\.proposed.traits) == [.heap])
        }
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.brk, heap, .brk(to: page(4))))
        #expect(hooks.end(.drawn, after: Drawing("HHIIB").vmas).map { picture($0, 5) } == ["<<**."])
    }
}
