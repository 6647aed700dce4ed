import Testing

@testable import VMACore

extension HookedAttempt {
    /// A function of the kernel is entered with the drawn `*`, and what stands beside it.
    init(
        _ site: Site, _ drawing: Drawing, _ syscall: Syscall = .mmap(pages(2, 4)), middle: VMA? = nil,
        tid: UInt32 = 100
    ) {
        let proposed = drawing.proposed!
        var origin = Origin.drawn
        origin.tid = tid
        self.init(
            origin, syscall, stack: 5, site: site, proposed: proposed,
            before: drawing.vmas.first { $0.range.contains(proposed.start - 1) },
            after: drawing.vmas.first { $0.range.contains(proposed.end) }, middle: middle)
    }
}

/// The hooks' attempts, to be changed in the middle of an expectation.
private final class Hooks {
    private var attempts = HookAttempts()

    /// `found` is drawn as the thread found it.
    func enter(_ attempt: HookedAttempt, found: Drawing? = nil) -> [MergeAttempt] {
        attempts.enter(attempt, found.map { Layout($0.vmas) })
    }
    func commit(_ origin: Origin, _ result: AddressRange) { attempts.commit(origin, result) }
    func end(_ origin: Origin, after: [VMA]) -> [MergeAttempt] { attempts.end(origin, after: after) }
}

extension Origin {
    fileprivate static func thread(_ tid: UInt32) -> Origin {
        var origin = Origin.drawn
        origin.tid = tid
        return origin
    }
}

@Suite("From the hooks: vma_merge")
struct HookedMergeTests {
    private let entered = HookedAttempt(.vmaMerge, Drawing("AA**BB"))

    @Test("has merged if a commit follows, with the sides that its result holds")
    func committed() {
        for (result, expected) in [
            (pages(0, 4), "((**>>"), (pages(2, 6), "<<**))"), (pages(0, 6), "((**))"), (pages(2, 4), "<<**>>"),
        ] {
            let hooks = Hooks()
            #expect(hooks.enter(entered).isEmpty)
            hooks.commit(.drawn, result)
            #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == [expected])
            #expect(hooks.end(.drawn, after: []).isEmpty, "told once")
        }
    }

    @Test("has merged if the next attempt comes after its commit")
    func mergedBeforeNext() {
        let hooks = Hooks()
        _ = hooks.enter(entered)
        hooks.commit(.drawn, pages(0, 4))
        let merged = hooks.enter(HookedAttempt(.vmaMerge, Drawing("CC....**")))
        #expect(merged.map { picture($0, 6) } == ["((**>>"])
    }

    @Test("was refused if the next attempt comes first")
    func refusedByNext() {
        let hooks = Hooks()
        #expect(hooks.enter(entered).isEmpty)
        let refused = hooks.enter(HookedAttempt(.vmaMerge, Drawing("CC....**")))
        #expect(refused.map { picture($0, 6) } == ["<<**>>"])
        hooks.commit(.drawn, pages(0, 8))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 8) } == ["......**"], "it has no side")
    }

    @Test("was refused if the write section ends first")
    func refusedByEnd() {
        let hooks = Hooks()
        _ = hooks.enter(entered)
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])
        #expect(hooks.end(.drawn, after: []).isEmpty)
    }

    @Test("keeps threads apart")
    func threads() {
        let hooks = Hooks()
        #expect(hooks.enter(HookedAttempt(.vmaMerge, Drawing("A*...."), tid: 1)).isEmpty)
        #expect(hooks.enter(HookedAttempt(.vmaMerge, Drawing("....B*"), tid: 2)).isEmpty)
        hooks.commit(.thread(1), pages(0, 2))
        #expect(hooks.end(.thread(3), after: []).isEmpty)
        #expect(hooks.end(.thread(2), after: []).map { picture($0, 6) } == ["....<*"])
        hooks.commit(.thread(2), pages(4, 6))
        #expect(hooks.end(.thread(1), after: []).map { picture($0, 6) } == ["(*...."])
        #expect(hooks.end(.thread(2), after: []).isEmpty)
    }

    @Test("is not told by a commit alone: a split or a shrinking is none")
    func strayCommit() {
        let hooks = Hooks()
        hooks.commit(.drawn, pages(0, 4))
        #expect(hooks.end(.drawn, after: Drawing("AAAA").vmas).isEmpty)
    }

    @Test("of a part has no side in the VMA that would be split")
    func part() {
        let whole = Drawing("AAAA").vmas[0]
        var part = HookedAttempt(.vmaMerge, Drawing(".**.", ["*": .readOnly]), .mprotect(pages(1, 3)), middle: whole)
        (part.before, part.after) = (whole, whole)
        let hooks = Hooks()
        _ = hooks.enter(part)
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 4) } == [".**."])
        #expect(found.map(\.replacesVMA) == [false])
        #expect(found.map(\.operation) == [.mprotect])
    }

    @Test("of a whole VMA would remove it, and judges it with its chain")
    func whole() {
        let middle = Drawing("..MM..", ["M": .anon(3)]).vmas[0]
        let drawing = Drawing("AA**BB", ["*": .anon(3).dropping([.chainSingular, .ownRoot, .anonKnown]).readOnly])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.vmaMerge, drawing, .mprotect(pages(2, 4)), middle: middle))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map(\.replacesVMA) == [true])
        #expect(found.map(\.proposed.traits) == [middle.traits])
        #expect(found.map { picture($0, 6) } == ["<<**>>"])
    }

    @Test("of one VMA after the other does not count the next, which will look back")
    func several() {
        let hooks = Hooks()
        let change = Syscall.mprotect(pages(0, 6))
        #expect(hooks.enter(HookedAttempt(.vmaMerge, Drawing("**BBCC", ["*": .readOnly]), change)).isEmpty)
        let first = hooks.enter(HookedAttempt(.vmaMerge, Drawing("aa**CC", ["*": .readOnly, "a": .readOnly]), change))
        #expect(first.map { picture($0, 6) } == ["**!!.."])
        hooks.commit(.drawn, pages(0, 4))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["((**>>"])
    }

    @Test("of a new mapping in a VMA finds it split already, and counts no side")
    func splitBefore() {
        let hooks = Hooks()
        let inside = HookedAttempt(.vmaMerge, Drawing("AA**BB"), .mmap(pages(2, 4), fixed: true))
        _ = hooks.enter(inside, found: Drawing("AAAAAA"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["!!**!!"])
        _ = hooks.enter(inside, found: Drawing("AACCCB"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**!!"])
        _ = hooks.enter(inside, found: Drawing("AACCBB"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])
    }

    @Test("of a growth in place joins the VMA that grows")
    func grown() {
        let source = Drawing("SS").vmas[0]
        let hooks = Hooks()
        _ = hooks.enter(
            HookedAttempt(.vmaMerge, Drawing("SS**BB"), .mremap(pages(0, 2), pages: 4), middle: source),
            found: Drawing("SS..BB"))
        hooks.commit(.drawn, pages(0, 4))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["((**>>"] && found.map(\.operation) == [.mremap])
    }

    @Test("of a move has no side in its source")
    func moved() {
        let source = Drawing("SS", ["S": .anon(1)]).vmas[0]
        let drawing = Drawing("SS**BB", ["S": .anon(1), "*": .anon(1).pgoff(-2)])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.vmaMerge, drawing, .mremap(pages(0, 2), pages: 2), middle: source))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["!!**>>"])
        #expect(found.map(\.replacesVMA) == [false])
        // Told to leave it, the source stays.
        _ = hooks.enter(HookedAttempt(.vmaMerge, drawing, .mremap(pages(0, 2), pages: 2, flags: 5), middle: source))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])
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

    @Test("an mmap that failed is no attempt")
    func failed() {
        let hooks = Hooks()
        _ = hooks.enter(region)
        #expect(hooks.end(.drawn, after: Drawing("AA..BB").vmas).isEmpty)
        _ = hooks.enter(region)
        #expect(hooks.end(.drawn, after: Drawing("AAA.BB").vmas).isEmpty, "not the whole of it")
        _ = hooks.enter(region)
        #expect(hooks.enter(HookedAttempt(.mmapRegion, Drawing("....**"))).isEmpty, "its section never ended")
        #expect(hooks.end(.drawn, after: Drawing("....CC").vmas).map { picture($0, 6) } == ["....**"])
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
        (inside.before, inside.after) = (whole, whole)
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
