import Testing

@testable import VMACore

/// An observation of drawn memory, event by event.
final class Scene {
    let observer: Observer
    var time: UInt64 = 0

    init(_ model: KernelModel = .v6_12, isHooked: Bool = false, waits: Bool = false) {
        observer = Observer(judge: Judge(model), isHooked: isHooked, waits: waits)
    }

    func origin(_ mm: MMID, tid: UInt32? = nil) -> Origin {
        time += 1_000
        return Origin(time: time, mm: mm, tgid: 100 + mm, tid: tid ?? 100 + mm)
    }

    func adopt(_ mm: MMID, _ picture: String, _ notes: [Character: Note] = [:], command: String = "app") {
        observer.adopt(mm: mm, tgid: 100 + mm, command: command)
        observer.resync(mm: mm, Drawing(picture, notes).vmas)
    }

    func rows(
        _ mm: MMID, _ reason: Rows.Reason, _ picture: String, _ notes: [Character: Note] = [:],
        _ range: AddressRange? = nil, truncated: Bool = false, tid: UInt32? = nil
    ) {
        // What tells a new address space begins at 0.
        let isNew = reason == .forked || reason == .image
        let range = range ?? AddressRange(isNew ? 0 : pages(0, 1).start, pages(0, picture.count).end)
        let vmas = Drawing(picture, notes).vmas.filter { $0.range.overlaps(range) }
        var origin = origin(mm, tid: tid)
        if reason == .forked { origin.tgid = 0 }  // the child's pid is not known yet
        observer.apply(.rows(Rows(origin, range, reason, truncated: truncated, vmas)))
    }

    func end(_ mm: MMID, _ syscall: Syscall, stack: StackID = 0, incomplete: Bool = false, tid: UInt32? = nil) {
        observer.apply(
            .section(
                Section(
                    origin(mm, tid: tid), syscall, stack: stack, ranges: [pages(0, 20)], writes: 1,
                    incomplete: incomplete)))
    }

    /// A syscall that finds one picture and leaves another.
    func call(
        _ mm: MMID, _ syscall: Syscall, _ before: String, _ after: String, _ notes: [Character: Note] = [:],
        stack: StackID = 0
    ) {
        rows(mm, .before, before, notes)
        rows(mm, .after, after, notes)
        end(mm, syscall, stack: stack)
    }

    func life(_ mm: MMID, parent: MMID = 0, command: String = "app") -> Life {
        Life(origin(mm), parent: parent, parentTgid: parent == 0 ? 0 : 100 + parent, command: command)
    }

    func picture(_ mm: MMID) -> [AddressRange] { observer.image(mm)?.layout.vmas.map(\.range) ?? [] }

    /// What must hold after any stream of events.
    func checkSums() {
        var totals = Tally()
        for image in observer.images { totals.add(image.tally) }
        #expect(observer.ledger.rows.map(\.count).reduce(0, +) == totals.missed)
        #expect(totals.missedBy.values.reduce(0, +) == totals.missed)
        for image in observer.images {
            let rows = observer.ledger.rows.filter { $0.key.mm == image.mm }
            #expect(rows.map(\.count).reduce(0, +) == image.tally.missed)
            for (blockers, count) in image.tally.missedBy {
                #expect(rows.filter { $0.key.blockers == blockers }.map(\.count).reduce(0, +) == count)
            }
            for (whatIf, count) in image.tally.whatIf {
                #expect(rows.filter { $0.key.whatIf == whatIf }.map(\.count).reduce(0, +) == count)
            }
        }
        #expect(observer.checked == totals.attempts)
        #expect(observer.agreed + observer.unexplained == observer.checked)
        #expect(observer.audit.equal <= observer.audit.checked)
    }
}

@Suite("An observation's lives")
struct LifeTests {
    @Test("a fork copies what the parent had, VMA by VMA, under a new identity")
    func fork() throws {
        let scene = Scene()
        scene.adopt(1, "AAB.CC", ["A": .anon(1)])
        for letter in ["AA....", "..B...", "....CC"] {
            scene.rows(
                2, .forked, letter, ["A": .inherited(2)],
                pages(0, 6).intersection(
                    Drawing(letter).vmas[0].range))
        }
        #expect(scene.observer.image(2)?.isComplete == false, "not before it is told that fork has succeeded")
        scene.observer.apply(.fork(scene.life(2, parent: 1, command: "child")))
        let child = try #require(scene.observer.image(2))
        #expect(child.isComplete && child.tgid == 102 && child.command == "child")
        #expect(child.startCount == 3 && child.peakCount == 3 && child.layout.count == 3)
        #expect(scene.observer.image(1)?.layout.count == 3)
        // In the child the same mmap is refused that the parent may have.
        scene.call(2, .mmap(pages(3, 4)), "AAB.CC", "AABDCC", ["B": .inherited(3), "C": .named(1)])
        scene.call(1, .mmap(pages(3, 4)), "AAB.CC", "AABBCC", ["A": .anon(1), "B": .parent(3), "C": .named(1)])
        #expect(child.tally.missedBy == [.anonVMA: 1, .name: 1])
        #expect(child.tally.whatIf == [.shared: 1])
        #expect(scene.observer.image(1)?.tally.merged == 1)
        scene.checkSums()
    }

    @Test("an exec is a new address space of the same process, and the old one goes")
    func exec() throws {
        let scene = Scene()
        scene.adopt(1, "AABBCC", command: "sh")
        scene.observer.apply(.exec(scene.life(2, command: "app")))
        #expect(scene.observer.image(2)?.isComplete == false)
        scene.rows(2, .image, "DD......", [:], pages(0, 4))
        scene.rows(2, .image, "....EE.F", [:], pages(4, 8))
        scene.observer.apply(.exit(scene.life(1)))
        let image = try #require(scene.observer.image(2))
        #expect(image.isComplete && image.command == "app")
        #expect(image.startCount == 3 && image.peakCount == 3)
        #expect(scene.observer.image(1) == nil)
        #expect(scene.observer.images.map(\.hasExited) == [true, false])
        #expect(scene.observer.images.map(\.command) == ["sh", "app"])
    }

    @Test("an mm is an identity, a pid is not")
    func identity() {
        let scene = Scene()
        func live(_ mm: MMID) {
            var origin = scene.origin(mm)
            origin.tgid = 7
            scene.observer.apply(.exec(Life(origin, parent: 0, parentTgid: 0, command: "app")))
            scene.rows(mm, .image, "AA..", [:])
            scene.call(mm, .mmap(pages(2, 4)), "AA..", "AABB", ["A": .anon(1).named(1)])
        }
        live(1)
        scene.observer.apply(.exit(scene.life(1)))
        live(2)
        #expect(scene.observer.images.map(\.mm) == [1, 2])
        #expect(scene.observer.images.map(\.tgid) == [7, 7])
        #expect(scene.observer.images.map(\.tally.missed) == [1, 1])
        #expect(scene.observer.ledger.rows.map(\.key.mm) == [1, 2], "not added to another life's")
        scene.checkSums()
    }

    @Test("what comes after an exit is not of that address space")
    func afterExit() {
        let scene = Scene()
        scene.adopt(1, "AA")
        scene.observer.apply(.exit(scene.life(1)))
        scene.observer.apply(.exit(scene.life(1)))
        scene.observer.resync(mm: 1, Drawing("AABB").vmas)
        scene.observer.check(mm: 1, [])
        #expect(scene.observer.images.count == 1 && scene.observer.audit == Audit())
        #expect(!scene.observer.matches(mm: 1, Drawing("AA").vmas))
    }

    @Test("the peak is the most that a section left")
    func peak() {
        let scene = Scene()
        scene.adopt(1, "AA......")
        scene.call(1, .mmap(pages(3, 4)), "AA......", "AA.B....")
        scene.call(1, .mmap(pages(5, 6)), "AA.B....", "AA.B.C..")
        scene.call(1, .munmap(pages(0, 4)), "AA.B.C..", ".....C..")
        let image = scene.observer.image(1)
        #expect(image?.startCount == 1 && image?.peakCount == 3 && image?.layout.count == 1)
    }

    @Test("names and paths are kept")
    func names() {
        let scene = Scene()
        scene.observer.apply(.file(3, path: "/lib/libc.so"))
        scene.observer.apply(.name(4, text: "arena"))
        #expect(scene.observer.files == [3: "/lib/libc.so"] && scene.observer.names == [4: "arena"])
        #expect(scene.observer.received == 2)
    }
}

@Suite("An observation's audit")
struct AuditTests {
    @Test("at exit counts as equal what the kernel had")
    func equal() {
        let scene = Scene()
        scene.adopt(1, "AAB.CC", ["A": .none])
        // Rows of an audit may come in parts. A page fault has come since, which nobody tells.
        scene.rows(1, .audit, "AAB...", ["A": .anon(1)], pages(0, 3))
        scene.rows(1, .audit, "....CC", ["C": .flag(.softDirty)], pages(3, 6))
        scene.observer.apply(.exit(scene.life(1)))
        #expect(scene.observer.audit.checked == 1 && scene.observer.audit.equal == 1)
        #expect(scene.observer.audit.differences.isEmpty)
    }

    @Test("at exit says in words what differs")
    func different() throws {
        let scene = Scene()
        scene.adopt(1, "AABBCC.")
        scene.rows(1, .audit, "AA.BCCD", ["C": .readOnly])
        scene.observer.apply(.exit(scene.life(1)))
        let audit = scene.observer.audit
        #expect(audit.checked == 1 && audit.equal == 0)
        #expect(audit.differences.count == 4)
        let first = try #require(audit.differences.first)
        #expect(first.hasPrefix("app[101] model 70002000-70004000 rw-p pgoff 70002 "))
        #expect(first.hasSuffix(", kernel nothing"))
        #expect(audit.differences.last?.contains("model nothing, kernel 70006000-70007000 rw-p") == true)
    }

    @Test("keeps the first differences only")
    func limit() {
        let scene = Scene()
        scene.adopt(1, String(repeating: "A.", count: 30))
        scene.rows(1, .audit, String(repeating: ".", count: 60))
        scene.observer.apply(.exit(scene.life(1)))
        #expect(scene.observer.audit.differences.count == Audit.differenceLimit)
    }

    @Test("compares nothing that is not complete, or known to be stale")
    func nothing() {
        let scene = Scene()
        scene.rows(1, .after, "AA")
        scene.rows(1, .audit, "AABB")
        scene.observer.check(mm: 1, [])
        scene.observer.apply(.exit(scene.life(1)))
        scene.adopt(2, "AA")
        scene.observer.apply(.lost(1))
        scene.rows(2, .audit, "AABB")
        scene.observer.check(mm: 2, [])
        scene.observer.apply(.exit(scene.life(2)))
        scene.adopt(3, "AA")
        scene.observer.apply(.exit(scene.life(3)))
        #expect(scene.observer.audit == Audit())
    }

    @Test("compares nothing of an address space whose beginning was lost")
    func lostBeginning() {
        let scene = Scene()
        scene.adopt(1, "AABB")
        scene.observer.apply(.lost(2))
        // The rows before these, and who has become it, are what was lost.
        scene.rows(2, .forked, "....CC", [:], pages(4, 6))
        scene.observer.apply(.fork(scene.life(2, parent: 1)))
        scene.rows(3, .image, "....CC", [:], pages(4, 6))
        #expect(scene.observer.stale == [1, 2, 3])
        for mm: MMID in [2, 3] {
            scene.rows(mm, .audit, "AABBCC")
            scene.observer.apply(.exit(scene.life(mm)))
        }
        #expect(scene.observer.audit == Audit())
    }

    @Test("takes a new address space where one was whose end was lost for another")
    func lostEnd() throws {
        let scene = Scene()
        scene.adopt(1, "AABB", command: "old")
        scene.rows(1, .forked, "CC")
        scene.observer.apply(.fork(scene.life(1, parent: 7, command: "child")))
        scene.observer.apply(.exec(scene.life(1, command: "program")))
        scene.rows(1, .image, "DD")
        #expect(scene.observer.images.map(\.command) == ["old", "child", "program"])
        #expect(scene.observer.images.map(\.hasExited) == [true, true, false])
        scene.rows(1, .audit, "DD")
        scene.observer.apply(.exit(scene.life(1)))
        #expect(scene.observer.audit.checked == 1 && scene.observer.audit.equal == 1)
    }

    @Test("while it lives compares, and takes over what page faults have brought")
    func check() {
        let scene = Scene()
        scene.adopt(1, "AABB")
        let touched = Drawing("AABB", ["A": .anon(1)]).vmas
        #expect(scene.observer.matches(mm: 1, touched))
        scene.observer.check(mm: 1, touched)
        #expect(scene.observer.image(1)?.layout.vmas == touched)
        #expect(scene.observer.audit.checked == 1 && scene.observer.audit.equal == 1)
        scene.observer.check(mm: 1, Drawing("AA.B").vmas)
        #expect(scene.observer.audit.checked == 2 && scene.observer.audit.equal == 1)
    }

    @Test("notices at the begin of a section what it has missed, and takes it over")
    func expectation() {
        let scene = Scene()
        scene.adopt(1, "AA..BB")
        scene.rows(1, .before, "AA..BB")
        #expect(scene.observer.audit.resynced == 0)
        scene.rows(1, .before, "AAC.BB")
        #expect(scene.observer.audit.resynced == 1)
        #expect(scene.observer.audit.differences.count == 1)
        #expect(scene.observer.image(1)?.layout.count == 3)
    }

    /// Some kernels grow a mapping at a page fault without a write section.
    private static let grows: [Character: Note] = ["C": .flag(.growsDown), "S": .flag(.growsDown).readOnly]

    @Test("takes a mapping that has grown downwards at a page fault for read anew, while it lives, at its end, and in a section")
    func growth() throws {
        let grown = Self.unread(Drawing("AA.CCC.SS", Self.grows).vmas)
        for isLast in [false, true] {
            let scene = Scene()
            scene.adopt(1, "AA...C..S", Self.grows)
            scene.observer.resync(mm: 1, Self.unread(Drawing("AA...C..S", Self.grows).vmas))
            if isLast {
                scene.observer.apply(.rows(Rows(scene.origin(1), pages(0, 9), .audit, truncated: false, grown)))
                scene.observer.apply(.exit(scene.life(1)))
            } else {
                #expect(scene.observer.matches(mm: 1, grown))
                scene.observer.check(mm: 1, grown)
            }
            var expected = Audit()
            expected.resynced = 2  // as the test has it to begin with
            #expect(scene.observer.audit == expected)
            #expect(scene.observer.images[0].layout.vmas == grown)
        }
        let scene = Scene()
        scene.adopt(1, "AA...C..S", Self.grows)
        scene.rows(1, .before, "AA.CCC.SS", Self.grows)
        #expect(scene.observer.audit.resynced == 1 && scene.observer.audit.differences == [])
        #expect(scene.observer.image(1)?.layout.vmas == Drawing("AA.CCC.SS", Self.grows).vmas)
    }

    /// As up to 7.2, where VMAs have no offset of their own for anonymous pages.
    private static func unread(_ vmas: [VMA]) -> [VMA] {
        vmas.map { vma in
            var vma = vma
            vma.anonPgoff = 0
            return vma
        }
    }

    @Test(
        "takes nothing else for growth",
        arguments: [
            ("AACCC.", Note.none), ("AA..C.", .flag(.growsDown)), ("AACC..", .flag(.growsDown)), ("AACCCC", .flag(.growsDown)),
            ("AACCC.", .flag([.growsDown, .locked])), ("AACCC.", .flag(.growsDown).pgoff(1)), ("A.CCC.", .flag(.growsDown)),
            (".CCCC.", .flag(.growsDown)),
        ])
    func notGrowth(_ picture: String, _ note: Note) {
        let isStack = !Drawing("C", ["C": note]).vmas[0].flags.isDisjoint(with: .growsDown)
        let scene = Scene()
        scene.adopt(1, "AA.CC.", ["C": isStack ? .flag(.growsDown) : .none])
        let found = Drawing(picture, ["C": note]).vmas
        #expect(!scene.observer.matches(mm: 1, found))
        scene.observer.check(mm: 1, found)
        #expect(scene.observer.audit.checked == 1 && scene.observer.audit.equal == 0 && scene.observer.audit.resynced == 0)
    }
}
