import TestSupport
import Testing

@testable import VMACore

@Suite("An observation's agreement with the kernel")
struct AgreementTests {
    @Test("is counted, attempt by attempt")
    func agreed() {
        let scene = Scene()
        scene.adopt(1, "AA..BB")
        scene.call(1, .mmap(pages(2, 4)), "AA..BB", "AAAABB", ["B": .named(1)])
        #expect(scene.observer.checked == 1 && scene.observer.agreed == 1 && scene.observer.unexplained == 0)
        #expect(scene.observer.disagreements.isEmpty)
        scene.checkSums()
    }

    @Test("that fails is printed with all that the rules looked at")
    func disagreement() throws {
        let scene = Scene()
        scene.adopt(1, "AA..BB", command: "odd")
        // Nothing forbids to join A, and a name forbids to join B: this kernel did the opposite.
        scene.call(1, .mmap(pages(2, 4)), "AA..BB", "AABBBB", ["A": .anon(4), "B": .named(1)])
        #expect(scene.observer.checked == 1 && scene.observer.agreed == 0 && scene.observer.unexplained == 1)
        let line = try #require(scene.observer.disagreements.first)
        #expect(
            line.hasPrefix(
                "odd[101] mmap: predicted prev merged, next apart; the kernel: prev apart, next merged; "
                    + "proposed 70002000"
            ))
        #expect(line.contains("; prev 70000000-70002000 rw-p") && line.contains("; next 70004000-70006000 rw-p"))
        #expect(line.contains("anon_vma 4"))
        // The miss is counted all the same, with no blocker to name.
        #expect(scene.observer.ledger.rows.map(\.key.blockers) == [[]])
        #expect(scene.observer.ledger.rows.map(\.key.side) == [.prev])
        scene.checkSums()
    }

    @Test("keeps the first lines only, but counts on")
    func limit() {
        let scene = Scene()
        scene.adopt(1, "AA..")
        for _ in 0 ..< 50 {
            scene.call(1, .mmap(pages(2, 4)), "AA..", "AABB")
            scene.call(1, .munmap(pages(2, 4)), "AABB", "AA..")
        }
        #expect(scene.observer.unexplained == 50)
        #expect(scene.observer.disagreements.count == 20)
        #expect(scene.observer.ledger.rows.map(\.count) == [50])
    }

    @Test("is not asked of a syscall that counts otherwise, or of another's address space")
    func foreign() {
        let scene = Scene()
        scene.adopt(1, "AA..")
        scene.call(1, Syscall(number: 9, arguments: [0, 8192, 0, 0, 0, 0], isNative: false), "AA..", "AABB")
        #expect(scene.observer.unjudged == 1)
        scene.call(1, Syscall(number: 440, arguments: [3, 0, 1, 20, 0, 0]), "AABB", "AABB")
        #expect(scene.observer.unjudged == 2, "process_madvise")
        #expect(scene.observer.unjudgedBy == [.compat: 1, .processMadvise: 1])
        scene.call(1, Syscall(number: 426, arguments: [3, 1, 1, 0, 0, 0]), "AABB", "AABB")
        scene.call(1, Syscall(number: 216, arguments: [0, 4096, 0, 1, 0, 0]), "AABB", "AABB")
        #expect(scene.observer.unjudgedBy == [.compat: 1, .processMadvise: 1, .ioUring: 1, .otherCall: 1])
        #expect(scene.observer.checked == 0)
        #expect(scene.observer.image(1)?.layout.count == 2, "but its layout is")
    }

    @Test("by the hooks needs no rows, and threads don't disturb each other")
    func hooked() {
        let scene = Scene(.v6_1, isHooked: true)
        scene.adopt(1, "AC..BD")
        func enter(_ site: HookedAttempt.Site, _ drawing: Drawing, tid: UInt32) {
            scene.observer.apply(.attempt(HookedAttempt(site, drawing, tid: tid)))
        }
        enter(.vmaMerge, Drawing("A*....", ["A": .named(1)]), tid: 1)
        enter(.vmaMerge, Drawing("....B*"), tid: 2)
        scene.observer.apply(.commit(scene.origin(1, tid: 2), pages(4, 6)))
        scene.end(1, .mprotect(pages(1, 2)), tid: 1)
        scene.end(1, .mmap(pages(5, 6)), tid: 2)
        #expect(scene.observer.checked == 2 && scene.observer.agreed == 2)
        #expect(scene.observer.image(1)?.tally.missedBy == [.name: 1])
        // Sections are not read for attempts besides.
        scene.call(1, .mmap(pages(2, 4)), "AC..BD", "ACEEBD")
        #expect(scene.observer.checked == 2)
        scene.checkSums()
    }

    @Test("is not asked of what was attempted while the layout was read, which shows what came of it")
    func ahead() {
        let scene = Scene(.v6_1, isHooked: true)
        // What was read shows the VMA that came of it.
        let before = Drawing("AA**BB", ["A": .named(1)])
        func enter(at time: UInt64) {
            var attempt = HookedAttempt(.vmaMerge, before, .mprotect(pages(2, 4)))
            attempt.origin.time = time
            scene.observer.apply(.attempt(attempt))
        }
        scene.observer.adopt(mm: 1, tgid: 101, command: "app")
        scene.observer.resync(mm: 1, Drawing("AABBCC").vmas, asOf: 500)
        enter(at: 400)
        scene.end(1, .mprotect(pages(2, 4)), tid: Origin.drawn.tid)
        #expect(scene.observer.checked == 0)
        enter(at: 600)
        scene.end(1, .mprotect(pages(2, 4)), tid: Origin.drawn.tid)
        #expect(scene.observer.checked == 1)
    }

    @Test("is not asked of an attempt that began before one which can't be judged, on the same thread")
    func skipped() {
        var hooks = HookAttempts()
        #expect(hooks.enter(HookedAttempt(.vmaMerge, Drawing("AA**BB")), nil).isEmpty)
        #expect(hooks.skip(.drawn).count == 1, "its outcome is known by now")
        hooks.commit(.drawn, pages(0, 4))
        #expect(hooks.end(.drawn, after: []).isEmpty, "and this commit is the other one's")
    }

    @Test("of a hooked mmap is read off the section's end")
    func hookedRegion() {
        let scene = Scene(.v6_1, isHooked: true)
        scene.adopt(1, "AA..BB")
        scene.observer.apply(.attempt(HookedAttempt(.mmapRegion, Drawing("AA**BB"), tid: 101)))
        scene.rows(1, .after, "AAAAAA")
        scene.end(1, .mmap(pages(2, 4)))
        #expect(scene.observer.checked == 1 && scene.observer.agreed == 1)
        #expect(scene.observer.image(1)?.tally.merged == 1 && scene.observer.image(1)?.tally.missed == 0)
    }
}

@Suite("An observation's losses")
struct LossTests {
    @Test("make every layout stale until it has been read anew")
    func lost() {
        let scene = Scene()
        scene.adopt(1, "AA..")
        scene.adopt(2, "AA..")
        #expect(scene.observer.audit.resynced == 0, "the first reading is none")
        let received = scene.observer.received
        scene.observer.apply(.lost(5))
        scene.observer.apply(.lost(2))
        #expect(scene.observer.lost == 7 && scene.observer.received == received)
        #expect(scene.observer.stale == [1, 2])
        scene.observer.resync(mm: 1, Drawing("AABB").vmas)
        #expect(scene.observer.stale == [2] && scene.observer.audit.resynced == 1)
        #expect(scene.observer.image(1)?.layout.count == 2)
        scene.observer.apply(.exit(scene.life(2)))
        #expect(scene.observer.stale.isEmpty)
    }

    @Test("of a part only make that address space stale", arguments: [true, false])
    func part(_ isTruncated: Bool) {
        let scene = Scene()
        scene.adopt(1, "AA..")
        scene.adopt(2, "AA..")
        if isTruncated { scene.rows(1, .after, "AABB", truncated: true) }
        scene.end(1, .mmap(pages(2, 4)), incomplete: !isTruncated)
        #expect(scene.observer.stale == [1])
        #expect(scene.observer.checked == 0)
    }

    @Test("of a section's begin make no attempt of what stood before")
    func withoutBegin() {
        let scene = Scene()
        scene.adopt(1, "AA..BB")
        scene.observer.apply(.lost(1))
        scene.rows(1, .after, "AAAA..")
        scene.end(1, .mmap(pages(2, 4)))
        #expect(scene.observer.checked == 0)
        #expect(scene.observer.image(1)?.layout.count == 1, "but what it left is known")
    }

    @Test("of a section's end don't mix it up with the thread's next one")
    func withoutEnd() {
        let scene = Scene()
        scene.adopt(1, "AA..BB")
        scene.rows(1, .before, "AA..BB")
        scene.observer.apply(.lost(2))
        scene.call(1, .mmap(pages(2, 4)), "AA....", "AACC..", ["A": .named(1)])
        #expect(scene.observer.checked == 1 && scene.observer.agreed == 1)
        #expect(scene.observer.image(1)?.tally.missedBy == [.name: 1])
        scene.checkSums()
    }

    @Test("between a hooked attempt and its commit are not taken for a refusal")
    func betweenHooks() {
        let scene = Scene(.v6_1, isHooked: true)
        scene.adopt(1, "AA..")
        scene.observer.apply(.attempt(HookedAttempt(.vmaMerge, Drawing("AA**"))))
        scene.observer.apply(.lost(1))
        scene.end(1, .mprotect(pages(2, 4)), tid: 100)
        #expect(scene.observer.checked == 0)
    }
}

@Suite("The ledger")
struct LedgerTests {
    private func key(_ stack: StackID, _ blockers: Blockers = .pgoff) -> Ledger.Key {
        Ledger.Key(
            mm: 1, operation: .mremap, side: .prev, blockers: blockers, detail: nil,
            stack: stack)
    }

    private func example(_ time: UInt64) -> Ledger.Example {
        Ledger.Example(time: time, proposed: Drawing("*").proposed!, prev: nil, next: nil)
    }

    @Test("has one row for all that are alike, and the first as its example")
    func rows() {
        var ledger = Ledger()
        var areNew: [Bool] = []
        for (key, time) in [(key(1), 10), (key(1), 20), (key(2), 30), (key(1, .name), 40)] as [(Ledger.Key, UInt64)] {
            areNew.append(ledger.add(key, example(time)))
        }
        #expect(areNew == [true, false, true, true])
        #expect(ledger.rows.map(\.count) == [2, 1, 1])
        #expect(ledger.rows.map(\.example.time) == [10, 30, 40])
        #expect(ledger.folded == 0)
    }

    @Test("lets go of stacks when there are too many, but loses no miss")
    func folded() {
        var ledger = Ledger()
        let count = 60_000
        for stack in 0 ..< count { ledger.add(key(StackID(stack + 1)), example(1)) }
        #expect(ledger.folded > 0 && ledger.rows.count < count)
        #expect(ledger.rows.map(\.count).reduce(0, +) == count)
        #expect(ledger.rows.last?.key.stack == 0)
        #expect(ledger.rows.last?.count == ledger.folded)
        // Known ones still have a row of their own.
        ledger.add(key(1), example(1))
        #expect(ledger.rows[0].count == 2)
        // Another reason is not folded into the same row.
        ledger.add(key(0, .name), example(1))
        #expect(ledger.rows.last?.key.blockers == .name && ledger.rows.last?.key.stack == 0)
    }

    @Test("has a bound, whatever a process makes its misses differ by")
    func bounded() {
        var ledger = Ledger()
        let count = 200_000
        for number in 0 ..< count {
            var key = key(0)
            key.mm = MMID(1 + number % 3000)
            key.detail = "flag \(number)"
            key.blockers = Blockers(rawValue: UInt16(number % 1000))
            ledger.add(key, example(1))
        }
        #expect(ledger.rows.count < 70_000)
        #expect(ledger.rows.map(\.count).reduce(0, +) == count)
    }

    @Test("asks once for each new stack to be resolved")
    func newStacks() {
        let scene = Scene()
        scene.adopt(1, "AA..")
        for stack: StackID in [5, 5, 0, 6, 0] {
            scene.call(1, .mmap(pages(2, 4)), "AA..", "AABB", ["B": .readOnly], stack: stack)
            scene.call(1, .munmap(pages(2, 4)), "AABB", "AA..", ["B": .readOnly])
        }
        let wanted = scene.observer.takeRequests().stacks
        #expect(wanted.map(\.stack) == [5, 6])
        #expect(wanted.allSatisfy { $0.image.mm == 1 })
        #expect(scene.observer.takeRequests().stacks.isEmpty)
        #expect(scene.observer.ledger.rows.map(\.key.stack) == [5, 0, 6])
        #expect(scene.observer.ledger.rows.map(\.count) == [2, 2, 1])
    }
}

@Suite("A tally")
struct TallyTests {
    @Test("counts attempts with any merge, and each missed side")
    func sides() {
        let scene = Scene()
        scene.adopt(1, "AA..BB")
        let notes: [Character: Note] = ["A": .named(1), "B": .named(1)]
        scene.call(1, .mmap(pages(2, 4)), "AA..BB", "AACCBB", notes)
        scene.call(1, .munmap(pages(2, 4)), "AACCBB", "AA..BB", notes)
        scene.call(1, .mmap(pages(2, 4)), "AA..BB", "AAAABB", ["B": .named(1)])
        let tally = scene.observer.image(1)!.tally
        #expect(tally.attempts == 2 && tally.merged == 1 && tally.missed == 3)
        #expect(tally.missedBy == [.name: 3] && tally.whatIf.isEmpty)
        scene.checkSums()
    }

    @Test("of a long, mixed stream adds up", arguments: [1, 2, 3, 4] as [UInt64])
    func sums(_ seed: UInt64) {
        var random = SplitMix64(state: seed)
        let scene = Scene([.v6_1, .v6_12, .v6_16].randomElement(using: &random)!)
        let kinds: [Note] = [.none, .anon(1), .inherited(2), .named(1), .pgoff(+3), .unreadable(4), .readOnly]
        for mm: MMID in 1 ... 4 { scene.adopt(mm, "") }
        for _ in 0 ..< 400 {
            let notes: [Character: Note] = [
                "A": kinds.randomElement(using: &random)!, "B": kinds.randomElement(using: &random)!,
                "C": kinds.randomElement(using: &random)!,
            ]
            let after = ["AACCBB", "AAAABB", "AABBBB", "AA..BB"].randomElement(using: &random)!
            let stack = StackID.random(in: 0 ... 3, using: &random)
            scene.call(.random(in: 1 ... 4, using: &random), .mmap(pages(2, 4)), "AA..BB", after, notes, stack: stack)
        }
        scene.checkSums()
        #expect(scene.observer.checked > 200 && scene.observer.ledger.rows.count > 20)
    }

    @Test("adds another's to its own")
    func add() {
        var one = Tally()
        one.attempts = 2
        one.missed = 1
        one.misses.add(.pgoff)
        var other = one
        other.misses.add(.pgoff)
        other.misses.add(.name)
        one.add(other)
        #expect(one.attempts == 4 && one.missed == 2)
        #expect(one.missedBy == [.pgoff: 3, .name: 1])
    }

    @Test("counts many keys as exactly as few")
    func counts() {
        let keys = (0 ..< 100).map { $0 * $0 % 37 }
        var (all, half, rest) = (Counts<Int>(), Counts<Int>(), Counts<Int>())
        for (place, key) in keys.enumerated() {
            all.add(key, place)
            if place % 3 == 0 { half.add(key, place) } else { rest.add(key, place) }
        }
        half.add(rest)
        let expected = Dictionary(zip(keys, keys.indices), uniquingKeysWith: +)
        #expect(all.dictionary == expected && half == all && half != rest)
    }
}
