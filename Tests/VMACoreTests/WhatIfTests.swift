import Testing

@testable import VMACore

/// The rule of the series as a kernel follows it, one kind of case a row.
@Suite("What the series would have done")
struct WhatIfTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var picture: String
        var notes: [Character: Note]
        var operation: VMACore.Operation = .mprotect
        /// Of each side; nil where the kernel has merged, or something else is in the way.
        var sides: [WhatIf?]
        var why: [WhatIfAnswer.Reason] = []
        var isCopy = false
        var testDescription: String { says }
    }

    static let rows: [Row] = [
        Row(
            says: "two that are nobody else's join", picture: "A*", notes: ["A": .anon(1), "*": .anon(2)], sides: [.recoverable]),
        Row(
            says: "only the one that is absorbed is asked: a shared neighbour takes it", picture: "A*",
            notes: ["A": .parent(1), "*": .anon(2)], sides: [.recoverable]),
        Row(
            says: "so does one that was inherited", picture: "*A", notes: ["A": .inherited(1), "*": .anon(2)],
            sides: [.recoverable]),
        Row(
            says: "what a child has inherited is not absorbed", picture: "A*", notes: ["A": .anon(1), "*": .parent(2)],
            sides: [.shared], why: [.child]),
        Row(
            says: "nor is what was inherited, even if nobody else has it any more", picture: "A*",
            notes: ["A": .anon(1), "*": .inherited(2)], sides: [.shared], why: [.inherited]),
        Row(
            says: "untouched memory beside an inherited neighbour", picture: "A*", notes: ["A": .inherited(1)], operation: .mmap,
            sides: [.shared], why: [.chain]),
        Row(
            says: "touched memory beside an untouched neighbour", picture: "*A", notes: ["*": .anon(2)], sides: [.shared],
            why: [.unfaulted]),
        Row(
            says: "all three join if the next one is nobody else's", picture: "A*B", notes: ["A": .anon(1), "B": .anon(2)],
            operation: .mmap, sides: [nil, .recoverable]),
        Row(
            says: "and not if it is shared", picture: "A*B", notes: ["A": .anon(1), "B": .parent(2)], operation: .mmap,
            sides: [nil, .shared], why: [.none, .next]),
        Row(
            says: "whose the previous one is nobody asks", picture: "A*B",
            notes: ["A": .parent(1), "B": .anon(2), "*": .anon(3)], sides: [.recoverable, .recoverable]),
        Row(
            says: "of three touched ones the next is asked", picture: "A*B",
            notes: ["A": .anon(1), "B": .parent(2), "*": .anon(3)], sides: [.recoverable, .shared], why: [.none, .next]),
        Row(
            says: "beside two of one anon_vma nobody asks", picture: "A*B",
            notes: ["A": .parent(1), "B": .parent(1), "*": .anon(3)], sides: [.recoverable, .recoverable]),
        Row(
            says: "an untouched next one", picture: "A*B", notes: ["A": .anon(1), "*": .anon(3)], sides: [.recoverable, .shared],
            why: [.none, .unfaulted]),
        Row(
            says: "a move takes a new page offset", picture: "A*", notes: ["A": .anon(1), "*": .anon(1).pgoff(+9)],
            operation: .mremap, sides: [.recoverable], isCopy: true),
        Row(
            says: "but not while a child has the memory", picture: "A*", notes: ["A": .parent(1), "*": .parent(1).pgoff(+9)],
            operation: .mremap, sides: [.shared], why: [.child], isCopy: true),
        Row(
            says: "nor if it was inherited", picture: "*A", notes: ["A": .inherited(1), "*": .inherited(1).pgoff(+9)],
            operation: .mremap, sides: [.shared], why: [.inherited], isCopy: true),
        Row(
            says: "a page that KSM or the swap cache has forbids it", picture: "A*",
            notes: ["A": .anon(1), "*": .anon(2).pgoff(+9).traits(.pagesShared)], operation: .mremap, sides: [.shared],
            why: [.pages], isCopy: true),
        Row(
            says: "and nobody knows where nobody could look", picture: "A*",
            notes: ["A": .anon(1), "*": .anon(2).pgoff(+9).traits(.pagesUnseen)], operation: .mremap, sides: [.unknown],
            why: [.pages], isCopy: true),
        Row(
            says: "the anon_vma's own rule asks no page", picture: "A*",
            notes: ["A": .anon(1), "*": .anon(2).traits(.pagesShared)], sides: [.recoverable]),
        Row(
            says: "what is added in place joins what it reaches", picture: "A*B",
            notes: ["A": .anon(1), "*": .anon(1), "B": .anon(2)], operation: .mremap, sides: [nil, .recoverable]),
        Row(
            says: "if both are nobody else's", picture: "A*B", notes: ["A": .parent(1), "*": .parent(1), "B": .anon(2)],
            operation: .mremap, sides: [nil, .shared], why: [.none, .child]),
        Row(
            says: "the next one, too", picture: "A*B", notes: ["A": .anon(1), "*": .anon(1), "B": .parent(2)], operation: .mremap,
            sides: [nil, .shared], why: [.none, .next]),
        Row(
            says: "what could not be read is not known", picture: "A*", notes: ["A": .anon(1), "*": .unreadable(2)],
            sides: [.unknown], why: [.unread]),
        Row(
            says: "no other blocker is asked about", picture: "A*", notes: ["A": .anon(1), "*": .anon(2).named(1)], sides: [nil]),
        Row(says: "nor a file's offset", picture: "A*", notes: ["A": .file(3), "*": .file(3).pgoff(+1)], sides: [nil]),
    ]

    @Test("is said of each side", arguments: rows)
    func sides(_ row: Row) {
        let verdict = Drawing(row.picture, row.notes).judged(by: .v5_10, row.operation, isCopy: row.isCopy)
        #expect(verdict.whatIfs == row.sides)
        if !row.why.isEmpty { #expect(verdict.sides.map(\.answers.reason) == row.why) }
    }

    /// In the order of the table: the series, the same as posted, relocate-anon, cow-context, no-limits.
    static let proposals: [(says: String, notes: [Character: Note], isCopy: Bool, answers: [WhatIf])] = [
        (
            "an own move", ["A": .anon(1), "*": .anon(2).pgoff(+9)], true,
            [.recoverable, .recoverable, .recoverable, .shared, .recoverable]
        ),
        (
            "a shared move within one anon_vma", ["A": .parent(1), "*": .parent(1).pgoff(+9)], true,
            [.shared, .recoverable, .shared, .shared, .recoverable]
        ),
        ("a shared move", ["A": .anon(1), "*": .parent(2).pgoff(+9)], true, [.shared, .shared, .shared, .shared, .recoverable]),
        (
            "a change in place", ["A": .anon(1), "*": .anon(2)], false,
            [.recoverable, .recoverable, .shared, .recoverable, .recoverable]
        ),
        ("of shared memory", ["A": .anon(1), "*": .parent(2)], false, [.shared, .shared, .shared, .recoverable, .recoverable]),
        (
            "beside a fork's", ["A": .inherited(1), "*": .anon(2).pgoff(+9)], true,
            [.recoverable, .recoverable, .shared, .shared, .recoverable]
        ),
    ]

    @Test("is said by every proposal", arguments: proposals.indices)
    func proposal(_ index: Int) {
        let row = Self.proposals[index]
        let verdict = Drawing("A*", row.notes).judged(by: .v5_10, row.isCopy ? .mremap : .mprotect, isCopy: row.isCopy)
        #expect(Proposals.table.indices.map { verdict.sides[0].answers[$0] } == row.answers, "\(row.says)")
    }

    /// relocate-anon, of a move: the two sides.
    static let relocations: [(says: String, picture: String, notes: [Character: Note], sides: [WhatIf?])] = [
        (
            "the next one's anon_vma before the previous one's", "A*B",
            ["A": .anon(1), "*": .anon(3).pgoff(+9), "B": .anon(2)], [.shared, .recoverable]
        ),
        (
            "which has to be its process's own for that", "A*B",
            ["A": .anon(1), "*": .anon(3).pgoff(+9), "B": .inherited(2)], [.recoverable, .shared]
        ),
        (
            "what is not faulted joins whatever the copy has", "A*B",
            ["A": .anon(1), "*": .anon(3).pgoff(+9)], [.recoverable, .recoverable]
        ),
        (
            "nothing is relocated where the move merges as today", "A*B",
            ["A": .anon(1), "*": .anon(1), "B": .anon(2)], [nil, .shared]
        ),
        (
            "pages of the rest of the source are not asked", "A*",
            ["A": .anon(1), "*": .anon(2).pgoff(+9).traits(.pagesShared)], [.recoverable]
        ),
        ("a child's memory stays what it is", "A*", ["A": .anon(1), "*": .parent(2).pgoff(+9)], [.shared]),
    ]

    @Test("of a relocating move", arguments: relocations.indices)
    func relocation(_ index: Int) throws {
        let row = Self.relocations[index]
        let place = try #require(Proposals.place("relocate-anon"))
        let verdict = Drawing(row.picture, row.notes).judged(by: .v5_10, .mremap, isCopy: true)
        #expect(verdict.sides.map { $0.answers[place] } == row.sides, "\(row.says)")
    }

    @Test("the table has room, names of its own, and the series first")
    func table() {
        #expect(Proposals.table.count <= WhatIfAnswers.limit)
        #expect(Set(Proposals.table.map(\.slug)).count == Proposals.table.count)
        #expect(Proposals.place("rfc2022") == Proposals.rfc && Proposals.place("none") == nil)
        #expect(WhatIfAnswer.Reason.allCases.allSatisfy { $0.rawValue < 16 })
    }

    @Test("of two that stand and nobody has tried, it may depend on which one is changed")
    func untried() {
        #expect(Drawing("AB", ["A": .anon(1), "B": .anon(2).pgoff(+1)]).boundary().whatIf == .recoverable)
        #expect(Drawing("AB", ["A": .parent(1), "B": .inherited(2)]).boundary().whatIf == .shared)
        #expect(Drawing("AB", ["A": .parent(1), "B": .anon(2)]).boundary().whatIf == .unknown)
        #expect(Drawing("AB").boundary().whatIf == nil)
    }
}

/// What has come before decides, too.
@Suite("What the series would have made of an address space")
struct WhatIfLayoutTests {
    private let scene = Scene(.v5_10)

    private func standing(_ mm: MMID = 1) throws -> [[WhatIf?]] {
        let image = try #require(scene.observer.image(mm))
        return image.boundaries(scene.observer.judge).rows.map { [$0.kind.whatIf, $0.kind.left, $0.kind.right] }
    }

    @Test("keeps the answer of the last attempt, whoever shares the memory since")
    func kept() throws {
        scene.adopt(1, "AA.CC", ["A": .anon(1), "C": .anon(2).readOnly])
        scene.call(1, .mremap(pages(3, 5), to: pages(2, 4)), "AA.CC", "AACC.", ["A": .anon(1), "C": .anon(2).pgoff(+1)])
        #expect(try standing() == [[.recoverable, .recoverable, .recoverable]])
        scene.rows(2, .forked, "AACC.", ["A": .inherited(3), "C": .inherited(4).pgoff(+1)])
        scene.observer.apply(.fork(scene.life(2, parent: 1)))
        scene.observer.check(mm: 1, Drawing("AACC.", ["A": .parent(1), "C": .parent(2).pgoff(+1)]).vmas)
        #expect(try standing() == [[.recoverable, .shared, .shared]])
        #expect(try standing(2)[0][0] == .recoverable, "the child has inherited one VMA")
    }

    @Test("a move while it was shared leaves the offset, for whatever comes later")
    func movedWhileShared() throws {
        let shared: [Character: Note] = ["A": .parent(1), "C": .parent(1).readOnly]
        let moved: [Character: Note] = ["A": .parent(1), "C": .parent(1).readOnly.pgoff(+1)]
        let alone: [Character: Note] = ["A": .anon(1), "C": .anon(1).readOnly.pgoff(+1)]
        let back: [Character: Note] = ["A": .anon(1), "C": .anon(1).pgoff(+1)]
        scene.adopt(1, "AA.CC", shared)
        scene.call(1, .mremap(pages(3, 5), to: pages(2, 4)), "AA.CC", "AACC.", moved.merging(shared) { $1 })
        scene.rows(1, .before, "AACC.", alone)
        scene.rows(1, .after, "AACC.", back)
        scene.end(1, .mprotect(pages(2, 4)))
        #expect(try standing()[0][0] == .shared)
        let key = try #require(scene.observer.ledger.rows.last?.key)
        #expect(key.blockers == .pgoff && key.answers.reason == .moved && key.answers[1] == .recoverable)
    }

    @Test("a move while it was not shared has given it up, for whatever comes later")
    func movedAlone() throws {
        let before: [Character: Note] = ["A": .anon(1), "C": .anon(1).readOnly]
        let moved: [Character: Note] = ["A": .anon(1), "C": .anon(1).readOnly.pgoff(+1)]
        let shared: [Character: Note] = ["A": .parent(1), "C": .parent(1).readOnly.pgoff(+1)]
        let back: [Character: Note] = ["A": .parent(1), "C": .parent(1).pgoff(+1)]
        scene.adopt(1, "AA.CC", before)
        scene.rows(1, .before, "AA.CC", before)
        scene.rows(1, .after, "AACC.", moved)
        scene.end(1, .mremap(pages(3, 5), to: pages(2, 4)))
        scene.rows(1, .before, "AACC.", shared)
        scene.rows(1, .after, "AACC.", back)
        scene.end(1, .mprotect(pages(2, 4)))
        #expect(try standing()[0][0] == .recoverable)
    }

    @Test("what has joined a shared neighbour is shared from then on")
    func joinedShared() throws {
        // C joins A, which a child has: so it moves away and comes back as a part of that.
        let apart: [Character: Note] = ["A": .parent(1), "C": .anon(2)]
        let joined: [Character: Note] = ["A": .parent(1), "C": .anon(2).pgoff(+4)]
        let away: [Character: Note] = ["A": .parent(1).pgoff(-8), "C": .anon(2).pgoff(+4)]
        scene.adopt(1, "AA....CC....", apart)
        scene.rows(1, .before, "AA....CC....", apart)
        scene.rows(1, .after, "AACC........", joined)
        scene.end(1, .mremap(pages(6, 8), to: pages(2, 4)))
        #expect(try standing()[0][0] == .recoverable)
        scene.rows(1, .before, "AACC........", joined)
        scene.rows(1, .after, "..CC....AA..", away)
        scene.end(1, .mremap(pages(0, 2), to: pages(8, 10)))
        scene.rows(1, .before, "..CC....AA..", away)
        scene.rows(1, .after, "AACC........", joined)
        scene.end(1, .mremap(pages(8, 10), to: pages(0, 2)))
        #expect(try standing()[0][0] == .recoverable, "its own anon_vma is shared, but both have that")
    }

    @Test("growing in place up to a neighbour is judged where the kernel does not ask")
    func grown() throws {
        let notes: [Character: Note] = ["A": .anon(1), "B": .anon(2)]
        let hooked = Scene(.v5_10, isHooked: true)
        hooked.adopt(1, "AA..BB", notes)
        hooked.rows(1, .after, "AAAABB", notes)
        hooked.end(1, .mremap(pages(0, 2), pages: 4))
        let image = try #require(hooked.observer.image(1))
        #expect(hooked.observer.checked == 0)
        #expect(image.boundaries(hooked.observer.judge).rows.map(\.kind.wasTried) == [true])
        #expect(image.boundaries(hooked.observer.judge).whatIf == [.recoverable: 1])
    }

    @Test("a loss forgets it")
    func lost() throws {
        scene.adopt(1, "AA.CC", ["A": .anon(1), "C": .anon(2)])
        scene.call(1, .mremap(pages(3, 5), to: pages(2, 4)), "AA.CC", "AACC.", ["A": .anon(1), "C": .anon(2).pgoff(+1)])
        scene.observer.apply(.lost(1))
        scene.observer.resync(mm: 1, Drawing("AACC.", ["A": .parent(1), "C": .parent(2).pgoff(+1)]).vmas)
        #expect(try #require(scene.observer.image(1)).whatIf.hasBegun == false)
    }
}
