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
            prev: drawing.vmas.first { $0.range.contains(proposed.start - 1) },
            next: drawing.vmas.first { $0.range.contains(proposed.end) }, middle: middle)
    }
}

/// The hooks' attempts, to be changed in the middle of an expectation.
final class Hooks {
    private var attempts = HookAttempts()

    /// `found` is drawn as the thread found it.
    func enter(_ attempt: HookedAttempt, found: Drawing? = nil) -> [MergeAttempt] {
        attempts.enter(attempt, found.map { Layout($0.vmas) })
    }
    func commit(_ origin: Origin, _ result: AddressRange) { attempts.commit(origin, result) }
    func end(_ origin: Origin, after: [VMA]) -> [MergeAttempt] { attempts.end(origin, after: after) }
}

extension Origin {
    static func thread(_ tid: UInt32) -> Origin {
        var origin = Origin.drawn
        origin.tid = tid
        return origin
    }
}

@Suite("From the hooks: what a commit decides")
struct HookedMergeTests {
    private let entered = HookedAttempt(.vmaMerge, Drawing("AA**BB"))
    static let all: [HookedAttempt.Site] = [.vmaMerge, .newRange, .modify]
    static let mapping: [HookedAttempt.Site] = [.vmaMerge, .newRange]
    static let changing: [HookedAttempt.Site] = [.vmaMerge, .modify]

    @Test("has merged if a commit follows, with the sides that its result holds", arguments: all)
    func committed(_ site: HookedAttempt.Site) {
        let syscall: Syscall = site == .modify ? .mprotect(pages(2, 4)) : .mmap(pages(2, 4))
        let entered = HookedAttempt(site, Drawing("AA**BB"), syscall)
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

    @Test("was refused if the next attempt comes first", arguments: all)
    func refusedByNext(_ site: HookedAttempt.Site) {
        let hooks = Hooks()
        #expect(hooks.enter(HookedAttempt(site, Drawing("AA**BB"))).isEmpty)
        let refused = hooks.enter(HookedAttempt(site, Drawing("CC....**")))
        #expect(refused.map { picture($0, 6) } == ["<<**>>"])
        hooks.commit(.drawn, pages(0, 8))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 8) } == ["......**"], "it has no side")
    }

    @Test("was refused if the write section ends first", arguments: all)
    func refusedByEnd(_ site: HookedAttempt.Site) {
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(site, Drawing("AA**BB")))
        // What the section leaves is not asked.
        #expect(hooks.end(.drawn, after: Drawing("AAAAAA").vmas).map { picture($0, 6) } == ["<<**>>"])
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

    @Test("of a part has no side in the VMA that would be split", arguments: changing)
    func part(_ site: HookedAttempt.Site) {
        let whole = Drawing("AAAA").vmas[0]
        var part = HookedAttempt(site, Drawing(".**.", ["*": .readOnly]), .mprotect(pages(1, 3)), middle: whole)
        (part.prev, part.next) = (whole, whole)
        let hooks = Hooks()
        _ = hooks.enter(part)
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 4) } == [".**."])
        #expect(found.map(\.replacesVMA) == [false])
        #expect(found.map(\.operation) == [.mprotect])
    }

    @Test("of a part that is behind its VMA's rest shrinks that, and the next one takes the part over")
    func takenOver() {
        let whole = Drawing("AAAA..").vmas[0]
        let drawing = Drawing("..**bb", ["*": .readOnly, "b": .readOnly])
        var part = HookedAttempt(.modify, drawing, .mprotect(pages(2, 4)), middle: whole)
        part.prev = whole
        let hooks = Hooks()
        #expect(hooks.enter(part).isEmpty)
        hooks.commit(.drawn, pages(0, 2))  // what the rest is then
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["..**))"])
        #expect(found.map(\.outcome) == [.nextOnly] && found.map(\.replacesVMA) == [false])
        #expect(found.map { Judge(.v6_12).judge($0).agreed } == [true])
    }

    @Test("of a part at its VMA's front is taken over by the one before, as the result says")
    func takenOverInFront() {
        let whole = Drawing("..AAAA").vmas[0]
        var part = HookedAttempt(
            .modify, Drawing("bb**..", ["*": .readOnly, "b": .readOnly]), .mprotect(pages(2, 4)), middle: whole)
        part.next = whole
        let hooks = Hooks()
        _ = hooks.enter(part)
        hooks.commit(.drawn, pages(0, 4))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["((**.."] && found.map(\.outcome) == [.prevOnly])
    }

    @Test("of a whole VMA would remove it, and judges it with its chain", arguments: changing)
    func whole(_ site: HookedAttempt.Site) {
        let middle = Drawing("..MM..", ["M": .anon(3)]).vmas[0]
        let drawing = Drawing("AA**BB", ["*": .anon(3).dropping([.chainSingular, .ownRoot, .anonKnown]).readOnly])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(site, drawing, .mprotect(pages(2, 4)), middle: middle))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map(\.replacesVMA) == [true] && found.map(\.isCopy) == [false])
        #expect(found.map(\.proposed.traits) == [middle.traits])
        #expect(found.map { picture($0, 6) } == ["<<**>>"])
    }

    @Test("knows whether the proposed offset of private pages is the kernel's, whatever the VMA says of its own")
    func ownAnonPgoff() {
        let middle = Drawing("..MM..", ["M": .anon(3)]).vmas[0]
        let drawing = Drawing("AA**BB", ["*": .anon(3).anonPgoff(+5).traits(.hasAnonPgoff)])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(.modify, drawing, .mprotect(pages(2, 4)), middle: middle))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map(\.proposed.traits) == [middle.traits.union(.hasAnonPgoff)])
        #expect(found.map(\.proposed.anonPgoff) == [(page(2) >> 12) + 5])
    }

    @Test("of one VMA after the other does not count the next, which will look back", arguments: changing)
    func several(_ site: HookedAttempt.Site) {
        let hooks = Hooks()
        let change = Syscall.mprotect(pages(0, 6))
        #expect(hooks.enter(HookedAttempt(site, Drawing("**BBCC", ["*": .readOnly]), change)).isEmpty)
        let first = hooks.enter(HookedAttempt(site, Drawing("aa**CC", ["*": .readOnly, "a": .readOnly]), change))
        #expect(first.map { picture($0, 6) } == ["**!!.."])
        hooks.commit(.drawn, pages(0, 4))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["((**>>"])
    }

    @Test("of a new mapping in a VMA finds it split already, and counts no side", arguments: mapping)
    func splitBefore(_ site: HookedAttempt.Site) {
        let hooks = Hooks()
        let inside = HookedAttempt(site, Drawing("AA**BB"), .mmap(pages(2, 4), fixed: true))
        _ = hooks.enter(inside, found: Drawing("AAAAAA"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["!!**!!"])
        let rest = HookedAttempt(site, Drawing("AA**CB"), .mmap(pages(2, 4), fixed: true))
        _ = hooks.enter(rest, found: Drawing("AACCCB"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**!."])
        _ = hooks.enter(inside, found: Drawing("AACCBB"))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])
    }

    @Test("of a growth in place joins the VMA that grows", arguments: mapping)
    func grown(_ site: HookedAttempt.Site) {
        let source = Drawing("SS").vmas[0]
        let hooks = Hooks()
        _ = hooks.enter(
            HookedAttempt(site, Drawing("SS**BB"), .mremap(pages(0, 2), pages: 4), middle: source),
            found: Drawing("SS..BB"))
        hooks.commit(.drawn, pages(0, 4))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["((**>>"] && found.map(\.operation) == [.mremap])
        #expect(found.map(\.isCopy) == [false])
    }

    @Test("of a move to elsewhere is of a copy", arguments: mapping)
    func copied(_ site: HookedAttempt.Site) {
        let drawing = Drawing("AA**SS", ["S": .inherited(1).pgoff(-2), "*": .inherited(1)])
        let hooks = Hooks()
        _ = hooks.enter(
            HookedAttempt(site, drawing, .mremap(pages(4, 6), pages: 2), middle: drawing.vmas.last))
        hooks.commit(.drawn, pages(0, 4))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["((**!!"] && found.map(\.isCopy) == [true])
        #expect(found.map { Judge(.v6_16).judge($0).prev } == [""])
        #expect(found.map { Judge(.v6_18).judge($0).prev } == ["anon_vma"])
    }

    @Test("of a move has no side in its source", arguments: mapping)
    func moved(_ site: HookedAttempt.Site) {
        let source = Drawing("SS", ["S": .anon(1)]).vmas[0]
        let drawing = Drawing("SS**BB", ["S": .anon(1), "*": .anon(1).pgoff(-2)])
        let hooks = Hooks()
        _ = hooks.enter(HookedAttempt(site, drawing, .mremap(pages(0, 2), pages: 2), middle: source))
        let found = hooks.end(.drawn, after: [])
        #expect(found.map { picture($0, 6) } == ["!!**>>"])
        #expect(found.map(\.replacesVMA) == [false])
        // Told to leave it, the source stays.
        _ = hooks.enter(HookedAttempt(site, drawing, .mremap(pages(0, 2), pages: 2, flags: 5), middle: source))
        #expect(hooks.end(.drawn, after: []).map { picture($0, 6) } == ["<<**>>"])
    }
}
