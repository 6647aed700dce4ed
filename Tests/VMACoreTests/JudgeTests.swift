import Testing

@testable import VMACore

@Suite("anon_vma")
struct AnonVMATests {
    /// Proposed and standing, and whether each rule lets the standing one take the proposed over.
    static let table: [(proposed: Note, standing: Note, neighbour: Bool, forkChild: Bool)] = [
        (.none, .none, true, true),
        (.none, .anon(1), true, true),
        (.none, .parent(1), true, true),
        (.none, .inherited(1), false, false),
        (.anon(1), .none, false, true),
        (.parent(1), .none, false, true),
        (.inherited(1), .none, false, false),
        (.anon(1), .anon(1), true, true),
        (.inherited(1), .inherited(1), true, true),
        (.anon(1), .anon(2), false, false),
        (.anon(1), .inherited(2), false, false),
        (.inherited(1), .anon(2), false, false),
        (.inherited(1), .inherited(2), false, false),
    ]

    @Test("is judged by the neighbour's chain up to 6.15, by the faulted one's since 6.16", arguments: table)
    func proposed(_ row: (proposed: Note, standing: Note, neighbour: Bool, forkChild: Bool)) {
        for model in KernelModel.all {
            let allowed = model.anonVMARule == .neighbour ? row.neighbour : row.forkChild
            let expected = allowed ? "" : "anon_vma"
            #expect(Drawing("A*", ["A": row.standing, "*": row.proposed]).judged(by: model).prev == expected)
            #expect(Drawing("*B", ["B": row.standing, "*": row.proposed]).judged(by: model).next == expected)
        }
    }

    @Test("of a fork's child goes along to an untouched neighbour, where a copy is not known to be one")
    func copyOfFork() {
        let copy: [Character: Note] = ["*": .inherited(1)]
        for model in KernelModel.all {
            let expected = model.mergesCopiesOfForks ? "" : "anon_vma"
            #expect(Drawing("A*", copy).judged(by: model, .mremap, isCopy: true).prev == expected)
            #expect(Drawing("*B", copy).judged(by: model, .mremap, isCopy: true).next == expected)
            // What grows in place is not known to be inherited anywhere; what is changed there is.
            let grown = model.anonVMARule == .forkChild ? "" : "anon_vma"
            #expect(Drawing("*B", copy).judged(by: model, .mremap).next == grown)
            #expect(Drawing("A*", copy).judged(by: model, .mprotect, replacesVMA: true).prev == "anon_vma")
        }
    }

    @Test("keeps a copy apart all the same if the neighbour is the touched one")
    func copyBesideTouched() {
        for note: Note in [.none, .inherited(1), .anon(1)] {
            let drawing = Drawing("A*", ["A": .inherited(2), "*": note])
            #expect(drawing.judged(by: .v6_16, .mremap, isCopy: true).prev == "anon_vma")
        }
        let own = Drawing("A*", ["A": .inherited(2), "*": .inherited(2)])
        #expect(own.judged(by: .v6_16, .mremap, isCopy: true, merged: .prevOnly).agreed)
    }

    @Test("of a copy is the neighbour's matter before 6.16, whatever is known of copies")
    func copyByNeighbour() {
        var model = KernelModel.v6_12
        model.mergesCopiesOfForks = true
        #expect(Drawing("A*", ["*": .inherited(1)]).judged(by: model, .mremap, isCopy: true).prev == "anon_vma")
        #expect(Drawing("A*", ["*": .anon(1)]).judged(by: model, .mremap, isCopy: true).prev == "anon_vma")
    }

    @Test("keeps a standing pair apart only if neither could take the other over", arguments: table)
    func standing(_ row: (proposed: Note, standing: Note, neighbour: Bool, forkChild: Bool)) {
        let mirrored = Self.table.first {
            $0.proposed.applied(to: .unit) == row.standing.applied(to: .unit)
                && $0.standing.applied(to: .unit) == row.proposed.applied(to: .unit)
        }
        for model in KernelModel.all {
            let isNeighbour = model.anonVMARule == .neighbour
            let allowed = [row, mirrored ?? row].contains { isNeighbour ? $0.neighbour : $0.forkChild }
            let expected: Blockers = allowed ? [] : .anonVMA
            #expect(Drawing("AB", ["A": row.proposed, "B": row.standing]).boundary(by: model).blockers == expected)
            #expect(Drawing("AB", ["A": row.standing, "B": row.proposed]).boundary(by: model).blockers == expected)
        }
    }
}

extension VMA {
    fileprivate static let unit = VMA(pages(0, 1), pgoff: 0, flags: .fresh)
}

@Suite("A hole that fits both its neighbours")
struct HoleTests {
    @Test("joins all three if they have one anon_vma, or one of them has none", arguments: KernelModel.all)
    func both(_ model: KernelModel) {
        for notes: [Character: Note] in [[:], ["A": .anon(1), "B": .anon(1)], ["A": .anon(1)]] {
            let verdict = Drawing("A*B", notes).judged(by: model, merged: .both)
            #expect(verdict.prev == "" && verdict.next == "" && verdict.agreed, "\(notes.keys)")
        }
    }

    @Test("goes to prev if they can't join each other", arguments: [KernelModel.v5_10, .v6_12, .v6_16])
    func prev(_ model: KernelModel) {
        let verdict = Drawing("A*B", ["A": .anon(1), "B": .anon(2)]).judged(by: model, merged: .prevOnly)
        #expect(verdict.prev == "" && verdict.next == "anon_vma")
        #expect(verdict.agreed)
        #expect(verdict.sides.map(\.missed) == [false, true])
    }

    @Test("goes to next on 6.1, where mmap asks next first")
    func next() {
        let drawing = Drawing("A*B", ["A": .anon(1), "B": .anon(2)])
        let verdict = drawing.judged(by: .v6_1, merged: .nextOnly)
        #expect(verdict.prev == "anon_vma" && verdict.next == "")
        #expect(verdict.agreed)
        // vma_merge() prefers prev on 6.1, too.
        let moved = drawing.judged(by: .v6_1, .mremap, merged: .prevOnly)
        #expect(moved.prev == "" && moved.next == "anon_vma" && moved.agreed)
    }

    // prev is asked on behalf of next, whose anon_vma an untouched prev can't take over.
    @Test("leaves an untouched prev out on 6.1 if next is touched")
    func untouchedPrev() {
        let drawing = Drawing("A*B", ["B": .anon(2)])
        #expect(drawing.judged(by: .v6_1, merged: .nextOnly).prev == "anon_vma")
        #expect(drawing.judged(by: .v6_1, merged: .nextOnly).agreed)
        for model in [KernelModel.v5_10, .v6_12, .v6_16] {
            #expect(drawing.judged(by: model, merged: .both).agreed)
        }
    }

    @Test("is unaffected by a next that refuses anyway", arguments: KernelModel.all)
    func nextRefuses(_ model: KernelModel) {
        let verdict = Drawing("A*B", ["A": .anon(1), "B": .anon(2).named(3)]).judged(by: model, merged: .prevOnly)
        #expect(verdict.prev == "" && verdict.next == "anon_name" && verdict.agreed)
    }

    @Test("is not for brk, which only looks back", arguments: KernelModel.all)
    func brk(_ model: KernelModel) {
        let verdict = Drawing("A*B").judged(by: model, .brk, considersNext: false, merged: .prevOnly)
        #expect(verdict.prev == "" && verdict.next == nil && verdict.agreed)
    }

    // Joining all three removes next, which its driver forbids.
    @Test("stops before a next that can't be removed", arguments: [KernelModel.v6_12, .v6_16])
    func closingNext(_ model: KernelModel) {
        let notes: [Character: Note] = ["A": .file(3), "*": .file(3), "B": .file(3).traits(.hasClose)]
        let verdict = Drawing("A*B", notes).judged(by: model, merged: .prevOnly)
        #expect(verdict.prev == "" && verdict.next == "close" && verdict.agreed)
        let alone = Drawing("*B", notes).judged(by: model, merged: .nextOnly)
        #expect(alone.next == "" && alone.agreed, "next grows, and nothing is removed")
    }
}

@Suite("A driver's close hook")
struct CloseTests {
    static let notes: [Character: Note] = [
        "A": .file(3).traits(.hasClose), "B": .file(3).traits(.hasClose), "*": .file(3),
        "C": .file(3),
    ]

    @Test("forbids any merge with its VMA up to 6.2", arguments: [KernelModel.v5_10, .v6_1])
    func any(_ model: KernelModel) {
        #expect(Drawing("A*", Self.notes).judged(by: model).prev == "close")
        #expect(Drawing("*B", Self.notes).judged(by: model).next == "close")
        // Only the neighbour is asked, so the hook of the proposed range is no obstacle.
        let proposed = Drawing("C*C", ["C": .file(3), "*": .file(3).traits(.hasClose)])
        #expect(proposed.judged(by: model, replacesVMA: true, merged: .both).agreed)
    }

    @Test("forbids only to remove its VMA later", arguments: [KernelModel.v6_12, .v6_16])
    func removed(_ model: KernelModel) {
        #expect(Drawing("A*", Self.notes).judged(by: model).prev == "")
        #expect(Drawing("*B", Self.notes).judged(by: model).next == "")
        let proposed = Drawing("C*C", ["C": .file(3), "*": .file(3).traits(.hasClose)])
        #expect(proposed.judged(by: model, replacesVMA: true).prev == "close")
        #expect(proposed.judged(by: model, replacesVMA: true).next == "close")
        #expect(proposed.judged(by: model, replacesVMA: false, merged: .both).agreed)
    }

    @Test("keeps a standing pair apart if both have one", arguments: KernelModel.all)
    func standing(_ model: KernelModel) {
        #expect(Drawing("AB", Self.notes).boundary(by: model).blockers == .close)
        #expect(Drawing("AC", Self.notes).boundary(by: model).blockers == [])
        #expect(Drawing("CA", Self.notes).boundary(by: model).blockers == [])
    }
}

@Suite("What a kernel ignores")
struct IgnoredTests {
    @Test("VM_SOFTDIRTY never separates", arguments: KernelModel.all)
    func softDirty(_ model: KernelModel) {
        let drawing = Drawing("A*B", ["A": .flag(.softDirty), "B": .flag(.softDirty)])
        #expect(drawing.judged(by: model, merged: .both).agreed)
    }

    @Test("is a property of the kernel: VM_MAYBE_GUARD since 7.2")
    func more() {
        let drawing = Drawing("A*", ["A": .flag([.maybeGuard, .locked])])
        #expect(drawing.judged(by: .v6_18).sides[0].detail == "bit 11 VM_LOCKED")
        #expect(drawing.judged(by: .v7_2).sides[0].detail == "VM_LOCKED")
        let guarded = Drawing("A*B", ["A": .flag(.maybeGuard), "B": .flag([.maybeGuard, .softDirty])])
        #expect(guarded.judged(by: .v6_18).prev == "flags" && guarded.judged(by: .v6_18).next == "flags")
        #expect(guarded.judged(by: .v7_2, merged: .both).agreed)
    }

    @Test("is named in its name, with all else in which it differs; VM_SOFTDIRTY, which all ignore, is not")
    func name() {
        #expect(KernelModel.v6_1.name == "anon_vma:neighbour hole:next close:any")
        #expect(KernelModel.v6_16.name == "anon_vma:fork-child fork-copies:merge hole:prev close:removed")
        #expect(KernelModel.v6_18.name == "anon_vma:fork-child hole:prev close:removed")
        #expect(KernelModel.v7_2.name == "anon_vma:fork-child hole:prev close:removed guard:ignored")
        #expect(
            KernelModel.v7_3.name == "anon_vma:fork-child hole:prev close:removed guard:ignored anon_pgoff:own")
    }
}

@Suite("What if the limits were lifted")
struct WhatIfTests {
    @Test("memory of this process alone could be recovered")
    func recoverable() {
        #expect(Drawing("A*", ["A": .anon(1), "*": .anon(2)]).judged().whatIfs == [.recoverable])
        #expect(Drawing("A*B", ["*": .pgoff(+1)]).judged().whatIfs == [.recoverable, .recoverable])
        #expect(Drawing("AB", ["A": .anon(1), "B": .anon(2).pgoff(+1)]).boundary().whatIf == .recoverable)
    }

    @Test("memory shared with a parent or a child could not")
    func shared() {
        #expect(Drawing("A*", ["A": .inherited(1)]).judged().whatIfs == [.shared])
        #expect(Drawing("A*", ["A": .parent(1), "*": .anon(2)]).judged().whatIfs == [.shared])
        #expect(Drawing("A*", ["A": .anon(1), "*": .parent(2)]).judged().whatIfs == [.shared])
        #expect(Drawing("AB", ["A": .parent(1), "B": .unreadable(2)]).boundary().whatIf == .shared)
    }

    @Test("what could not be read is neither")
    func unknown() {
        #expect(Drawing("A*", ["A": .unreadable(1), "*": .anon(2)]).judged().whatIfs == [.unknown])
        #expect(Drawing("AB", ["A": .anon(1), "B": .unreadable(2)]).boundary().whatIf == .unknown)
    }

    /// Two that differ in their anon_vma, with or without a look at the pages of the left one.
    private func standing(
        _ left: Note, _ mapped: PageUse.Mapped?, beside right: Note = .anon(2), isForked: Bool = false
    ) -> WhatIf? {
        let vmas = Drawing("AABB", ["A": left, "B": right]).vmas
        var known = PageFacts()
        known.isForked = isForked
        if let mapped { known.see([PageUse(pages(0, 2), mapped)]) }
        return Judge(.v6_12).boundary(vmas[0], vmas[1], known).whatIf
    }

    @Test("of what stands, the pages tell where the anon_vma can't", arguments: [
        (Note.parent(1), WhatIf.shared), (.inherited(1), .shared), (.unreadable(1), .unknown),
    ])
    func pagesDecide(_ note: Note, _ unseen: WhatIf) {
        #expect(standing(note, nil) == unseen)
        #expect(standing(note, .once) == .recoverable)
        #expect(standing(note, .several) == .shared)
        #expect(standing(note, .unseen) == .unknown)
    }

    @Test("pages that KSM may have shared are looked at, too")
    func ksm() {
        let vmas = Drawing("AABB", ["A": .anon(1).flag(.mergeable), "B": .anon(2).flag(.mergeable)]).vmas
        let judge = Judge(.v6_12)
        #expect(judge.boundary(vmas[0], vmas[1]).whatIf == .recoverable)
        #expect(judge.inDoubt(Layout(vmas)) == vmas.map(\.range))
        let seen = PageFacts([PageUse(vmas[0].range, .several), PageUse(vmas[1].range, .once)])
        #expect(judge.boundary(vmas[0], vmas[1], seen).whatIf == .shared)
    }

    @Test("where the anon_vma is proof, nobody looks")
    func proof() {
        for mapped in PageUse.Mapped.allCases + [nil] { #expect(standing(.anon(1), mapped) == .recoverable) }
        // Of a VMA in doubt that was not looked at nothing is known.
        #expect(standing(.anon(1), .once, beside: .parent(2)) == .unknown)
        // A proof is good until the next fork, of what a child inherits.
        #expect(standing(.anon(1), nil, isForked: true) == .unknown)
        let kept = Note.none.flag(.dontCopy)
        #expect(standing(kept.anon(1), nil, beside: kept.anon(2), isForked: true) == .recoverable)
    }

    @Test("only the pages of VMAs in doubt are asked for, beside a boundary that could go")
    func inDoubt() {
        let notes: [Character: Note] = [
            "A": .anon(1), "B": .parent(2), "C": .inherited(3), "D": .parent(4).named(1), "E": .parent(5),
        ]
        let layout = Layout(Drawing("AABCDD.E.", notes).vmas)
        #expect(Judge(.v6_12).inDoubt(layout) == [pages(2, 3), pages(3, 4)])
        var forked = PageFacts()
        forked.isForked = true
        #expect(Judge(.v6_12).inDoubt(layout, forked) == [pages(0, 2), pages(2, 3), pages(3, 4)])
    }

    @Test("is not asked of any other blocker")
    func others() {
        #expect(Drawing("A*", ["A": .anon(1), "*": .anon(2).named(1)]).judged().whatIfs == [nil])
        #expect(Drawing("A*", ["A": .file(3), "*": .file(3).pgoff(+1)]).judged().whatIfs == [nil])
        #expect(Drawing("AB").boundary().whatIf == nil)
    }
}

@Suite("A verdict")
struct VerdictTests {
    @Test("agrees only if both sides came as predicted")
    func agreement() {
        let drawing = Drawing("A*B", ["B": .named(1)])
        #expect(drawing.judged(merged: .prevOnly).agreed)
        for outcome: MergeAttempt.Outcome in [.none, .nextOnly, .both] {
            #expect(!drawing.judged(merged: outcome).agreed)
        }
        #expect(drawing.judged().predicted == .prevOnly)
    }

    @Test("misses what stays and did not merge")
    func missed() {
        var attempt = Drawing("A*B", ["*": .pgoff(+1)]).attempt(.mremap)
        attempt.next?.stays = false
        let verdict = Judge(.v6_12).judge(attempt)
        #expect(verdict.sides.map(\.missed) == [true, false])
        #expect(verdict.next == "pgoff", "the rule is asked all the same: the prediction needs it")
    }

    @Test("has no side where there is no neighbour")
    func alone() {
        for picture in ["A.*.B", "*", "A.*", "*.B"] {
            #expect(Drawing(picture).judged().sides.isEmpty)
            #expect(Drawing(picture).judged().agreed)
        }
    }
}
