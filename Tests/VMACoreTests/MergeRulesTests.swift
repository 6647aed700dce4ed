import Testing

@testable import VMACore

/// Two ways to draw a pair that one rule alone refuses, and how it is drawn when it does not.
struct RuleCase: Sendable, CustomTestStringConvertible {
    var slug: String
    /// What stands, what is proposed beside it, and what could be proposed instead.
    var standing: Note
    var refused: Note
    var allowed: Note
    var detail: String?
    /// Where the detail has an order, and the standing VMA comes after the proposed range.
    var detailAfter: String?
    var replacesVMA = false
    var model = KernelModel.v6_12

    var testDescription: String { detail.map { "\(slug) (\($0))" } ?? slug }

    static let all: [RuleCase] = [
        .init(slug: "pgoff", standing: .none, refused: .pgoff(+7), allowed: .none),
        .init(slug: "pgoff", standing: .anon(1), refused: .anon(1).pgoff(-1), allowed: .anon(1)),
        .init(
            slug: "pgoff", standing: .anon(1).file(3).anonPgoff(+7), refused: .file(3),
            allowed: .file(3).anonPgoff(+7), model: .v7_3),
        .init(slug: "anon_vma", standing: .anon(1), refused: .anon(2), allowed: .anon(1)),
        .init(slug: "anon_vma", standing: .inherited(1), refused: .none, allowed: .inherited(1)),
        .init(slug: "anon_vma", standing: .none, refused: .anon(1), allowed: .none),
        .init(slug: "anon_vma", standing: .anon(1).file(3), refused: .anon(2).file(3), allowed: .file(3)),
        .init(slug: "file_offset", standing: .file(3), refused: .file(3).pgoff(+1), allowed: .file(3)),
        .init(
            slug: "prot", standing: .none, refused: .readOnly, allowed: .none,
            detail: "rw-p beside r--p", detailAfter: "r--p beside rw-p"),
        // A flag that comes with another protection is not listed besides.
        .init(
            slug: "prot", standing: .flag(.exec), refused: .without([.write, .account]), allowed: .flag(.exec),
            detail: "rwxp beside r--p", detailAfter: "r--p beside rwxp"),
        .init(slug: "flags", standing: .none, refused: .without(.account), allowed: .none, detail: "VM_ACCOUNT"),
        .init(
            slug: "flags", standing: .flag([.locked, .dontDump]), refused: .none,
            allowed: .flag([.locked, .dontDump]), detail: "VM_LOCKED VM_DONTDUMP"),
        .init(
            slug: "flags", standing: .none, refused: .flag(VMAFlags(rawValue: 1 << 42)), allowed: .none,
            detail: "VM_SEALED"),
        .init(slug: "file", standing: .file(3), refused: .file(4), allowed: .file(3)),
        .init(slug: "file", standing: .none, refused: .file(4), allowed: .none),
        .init(slug: "policy", standing: .policy(1), refused: .policy(2), allowed: .policy(1)),
        .init(slug: "policy", standing: .policy(1), refused: .none, allowed: .policy(1)),
        .init(slug: "uffd", standing: .uffd(1), refused: .none, allowed: .uffd(1)),
        .init(slug: "anon_name", standing: .named(1), refused: .named(2), allowed: .named(1)),
        .init(
            slug: "special", standing: .file(3).flag(.dontExpand), refused: .file(3).flag(.dontExpand),
            allowed: .file(3).without(.dontExpand), detail: "VM_DONTEXPAND"),
        .init(
            slug: "special", standing: .flag([.io, .pfnMap]), refused: .flag([.io, .pfnMap]),
            allowed: .none, detail: "VM_PFNMAP VM_IO"),
        .init(
            slug: "close", standing: .file(3).traits(.hasClose), refused: .file(3).traits(.hasClose),
            allowed: .file(3), model: .v6_1),
        .init(
            slug: "close", standing: .file(3), refused: .file(3).traits(.hasClose), allowed: .file(3),
            replacesVMA: true),
    ]
}

@Suite("One rule alone")
struct OneRuleTests {
    @Test("refuses the neighbour before", arguments: RuleCase.all)
    func prev(_ rule: RuleCase) {
        let drawing = Drawing("A*", ["A": rule.standing, "*": rule.refused])
        let verdict = drawing.judged(by: rule.model, replacesVMA: rule.replacesVMA)
        #expect(verdict.prev == rule.slug)
        #expect(verdict.next == nil)
        #expect(drawing.details(by: rule.model, replacesVMA: rule.replacesVMA) == [rule.detail])
        #expect(verdict.agreed, "predicted apart, and it is apart")
    }

    @Test("refuses the neighbour after", arguments: RuleCase.all)
    func next(_ rule: RuleCase) {
        let drawing = Drawing("*B", ["B": rule.standing, "*": rule.refused])
        let verdict = drawing.judged(by: rule.model, replacesVMA: rule.replacesVMA)
        #expect(verdict.prev == nil)
        #expect(verdict.next == rule.slug)
        #expect(drawing.details(by: rule.model, replacesVMA: rule.replacesVMA) == [rule.detailAfter ?? rule.detail])
        #expect(verdict.agreed)
    }

    @Test("does not refuse when its reason is gone", arguments: RuleCase.all)
    func allowed(_ rule: RuleCase) {
        // A special or closing VMA is refused whatever comes, so there it is the VMA that changes.
        let changesStanding = rule.slug == "special" || rule.slug == "close"
        let standing = changesStanding ? rule.allowed : rule.standing
        let verdict = Drawing("A*B", ["A": standing, "*": rule.allowed, "B": standing])
            .judged(by: rule.model, replacesVMA: rule.replacesVMA, merged: .both)
        #expect(verdict.prev == "")
        #expect(verdict.next == "")
        #expect(verdict.agreed)
    }

    @Test("on one side says nothing of the other", arguments: RuleCase.all)
    func oneSide(_ rule: RuleCase) {
        // These two are about what the proposed range is, so no neighbour could suit it.
        guard !["special", "close"].contains(rule.slug) else { return }
        let verdict = Drawing("A*B", ["A": rule.standing, "*": rule.refused, "B": rule.refused])
            .judged(by: rule.model, merged: .nextOnly)
        #expect(verdict.prev == rule.slug)
        #expect(verdict.next == "")
        #expect(verdict.agreed)
    }

    @Test("has a drawn case, whichever it is")
    func totality() {
        #expect(MergeRules.table.count > 1)
        for rule in MergeRules.table where rule.group != .failure {
            #expect(RuleCase.all.contains { $0.slug == rule.slug }, "no case for \(rule.slug)")
        }
    }

    @Test("keeps a standing pair apart as well", arguments: RuleCase.all)
    func standing(_ rule: RuleCase) {
        // A standing pair could merge from either side, which is more than an attempt could.
        guard !["anon_vma", "close"].contains(rule.slug) else { return }
        let pair = Drawing("AB", ["A": rule.standing, "B": rule.refused]).boundary(by: rule.model)
        #expect(pair.blockers.key == rule.slug)
        #expect(pair.detail == rule.detail)
    }

    @Test("each bit of the protection counts as prot", arguments: [VMAFlags.exec, .write, .read, .shared])
    func protectionBits(_ bit: VMAFlags) {
        let other = Note.flag([.exec, .shared]).without(bit)
        #expect(Drawing("A*", ["A": .flag([.exec, .shared]), "*": other]).judged().prev == "prot")
    }
}

@Suite("The table")
struct TableTests {
    @Test("has the slugs of the contract, in its order")
    func slugs() {
        #expect(
            MergeRules.table.map(\.slug) == [
                "pgoff", "anon_vma", "file_offset", "prot", "flags", "file", "policy", "uffd", "anon_name",
                "special", "close", "nomem",
            ])
        #expect(
            MergeRules.table.map(\.group.rawValue) == [
                "limit", "limit", "layout", "intent", "flags", "intent", "intent", "intent", "intent",
                "intent", "intent", "failure",
            ])
    }

    @Test("numbers its rows by their place, once each")
    func bits() {
        for (index, rule) in MergeRules.table.enumerated() {
            #expect(rule.blocker.rawValue == 1 << UInt16(index))
            #expect(rule.blocker.slugs == [rule.slug])
            #expect(MergeRules.rule(slug: rule.slug)?.blocker == rule.blocker)
        }
        #expect(MergeRules.rule(slug: "unexplained") == nil)
    }

    @Test("explains every row")
    func texts() {
        for rule in MergeRules.table {
            #expect(!rule.meaning.isEmpty && !rule.meaning.contains("\n"), "\(rule.slug)")
            #expect(!rule.refusedBy.isEmpty && !rule.remedy.isEmpty, "\(rule.slug)")
        }
    }

    @Test("joins all blockers of a side in its order, not only the kernel's first")
    func several() {
        let drawing = Drawing(
            "A*B",
            [
                "A": .anon(1).named(1).flag(.dontDump).traits(.hasClose),
                "*": .anon(2).pgoff(+3).policy(4).uffd(5),
                "B": .file(6).flag(.io).without(.write),
            ])
        let verdict = drawing.judged(by: .v6_1)
        #expect(verdict.prev == "pgoff+anon_vma+flags+policy+uffd+anon_name+close")
        #expect(verdict.next == "anon_vma+prot+file+policy+uffd+special")
        #expect(drawing.details(by: .v6_1) == ["VM_DONTDUMP", "rw-p beside r--p; VM_IO"])
        #expect(Blockers([.nomem, .pgoff, .close]).key == "pgoff+close+nomem")
    }

    @Test("counts pgoff and anon_vma alone as limits of the kernel")
    func headline() {
        #expect(Blockers.pgoff.isHeadline && Blockers.anonVMA.isHeadline)
        #expect(Blockers([.pgoff, .anonVMA]).isHeadline)
        #expect(!Blockers([]).isHeadline)
        #expect(!Blockers([.pgoff, .flags]).isHeadline)
        for rule in MergeRules.table { #expect(rule.blocker.isHeadline == (rule.group == .limit)) }
    }

    @Test("finds a wrong offset of a file only where the file is the same")
    func fileOffset() {
        #expect(Drawing("A*", ["A": .file(3), "*": .file(4).pgoff(+1)]).judged().prev == "file")
        #expect(Drawing("A*", ["A": .file(3), "*": .pgoff(+1)]).judged().prev == "file")
    }

    @Test("finds a wrong offset of private pages only where both are a file's own, and the kernel keeps it apart")
    func anonPgoff() {
        let moved: Note = .file(3).anonPgoff(+7)
        for model in KernelModel.all {
            let expected = model.hasAnonPgoff ? "pgoff" : ""
            #expect(Drawing("A*", ["A": moved, "*": .file(3)]).judged(by: model).prev == expected)
            #expect(Drawing("AB", ["A": moved, "B": .file(3)]).boundary(by: model).blockers.key == expected)
            // Anonymous memory has its one offset as before.
            #expect(Drawing("A*", ["A": .anonPgoff(+7)]).judged(by: model).prev == "")
            #expect(Drawing("A*", ["A": .pgoff(+7).anonPgoff(+7)]).judged(by: model).prev == "pgoff")
        }
        let shared: VMAFlags = [.shared, .mayShare]
        let both = Drawing("A*", ["A": moved.flag(shared), "*": .file(3).flag(shared)])
        #expect(both.judged(by: .v7_3).prev == "", "what is shared is never private")
        let one = Drawing("A*", ["A": moved.flag(shared), "*": .file(3)])
        #expect(one.judged(by: .v7_3).prev == "prot")
        #expect(Drawing("*B", ["*": moved, "B": .file(3).without(.mayWrite)]).judged(by: .v7_3).next == "flags")
        #expect(Drawing("*B", ["*": moved]).judged(by: .v7_3).next == "file")
    }

    @Test("lists both offsets of a private file, if neither continues")
    func bothOffsets() {
        let verdict = Drawing("A*", ["A": .file(3).pgoff(+7).anonPgoff(+7), "*": .file(3)]).judged(by: .v7_3)
        #expect(verdict.prev == "pgoff+file_offset" && verdict.whatIfs == [nil])
    }

    // Running out of memory can't be seen in the VMAs, and nothing tells of it: a merge that
    // the rules allow and the kernel did not do is unexplained.
    @Test("never finds nomem in two VMAs")
    func nomem() {
        let verdict = Drawing("A*B").judged(merged: .none)
        #expect(verdict.prev == "" && verdict.next == "")
        #expect(!verdict.agreed)
        #expect(verdict.sides.allSatisfy { $0.missed && $0.whatIf == nil })
        #expect(Drawing("A*B").details(by: .v6_12) == [nil, nil])
    }
}
