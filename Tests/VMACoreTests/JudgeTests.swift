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
        #expect(drawing.details(by: .v6_18) == ["bit 11 VM_LOCKED"])
        #expect(drawing.details(by: .v7_2) == ["VM_LOCKED"])
        let guarded = Drawing("A*B", ["A": .flag(.maybeGuard), "B": .flag([.maybeGuard, .softDirty])])
        #expect(guarded.judged(by: .v6_18).prev == "flags" && guarded.judged(by: .v6_18).next == "flags")
        #expect(guarded.judged(by: .v7_2, merged: .both).agreed)
    }

    @Test("is named in its name, with all else in which it differs; VM_SOFTDIRTY, which all ignore, is not")
    func name() {
        #expect(KernelModel.v6_1.name == "anon_vma:neighbour hole:next close:any account:kept brk:any")
        #expect(KernelModel.v6_16.name == "anon_vma:fork-child fork-copies:merge hole:prev close:removed account:kept brk:any")
        #expect(KernelModel.v6_18.name == "anon_vma:fork-child hole:prev close:removed account:kept brk:any")
        #expect(KernelModel.v7_2.name == "anon_vma:fork-child hole:prev close:removed guard:ignored account:kept brk:any")
        #expect(
            KernelModel.v7_3.name
                == "anon_vma:fork-child hole:prev close:removed guard:ignored anon_pgoff:own account:kept brk:any")
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
        let attempt = Drawing("A*B", ["*": .pgoff(+1)]).attempt(.mremap)
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
