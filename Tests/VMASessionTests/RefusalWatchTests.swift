import Testing
import VMACore
import VMAProbe

@testable import VMASession

@Suite("What is refused in the whole system")
struct RefusalWatchTests {
    private func refusal(of pid: UInt32, mm: MMID? = nil, stack: StackID = 0) -> Event {
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (65_531, 65_530)
        let origin = Origin(time: 2_000_000_000, mm: mm ?? MMID(pid), tgid: pid, tid: pid)
        let mmap = Syscall(number: 9, arguments: .init([0, 4096, 3, 0x22]))
        return .refusal(Refusal(origin, mmap, stack: stack, count: 1, facts: facts))
    }

    private func process(_ pid: UInt32) -> ProcessStock {
        ProcessStock(key: ProcessKey(pid: pid, started: 1), command: "x", vmas: 1, countedAt: 0)
    }

    // No process has these ids: their names are not asked for in vain.
    private let one: UInt32 = 4_194_301
    private let other: UInt32 = 4_194_302

    @Test("is told at once, and once")
    func all() {
        let watch = RefusalWatch(startTime: 0)
        #expect(watch.takeNew().isEmpty)
        watch.feed(refusal(of: one))
        #expect(watch.takeNew().map { $0.map(\.pid) } == [[one]])
        watch.feed(refusal(of: one))
        #expect(watch.takeNew().isEmpty)
        #expect(watch.rows.map(\.count) == [2])
    }

    @Test("is the later process's where the record of the earlier one's end was lost, and its address space has the same id")
    func taken() {
        let watch = RefusalWatch(startTime: 0, lives: { _ in true }, look: { ($0 == one ? "impostor" : "payments", $0) })
        watch.feed(refusal(of: one, mm: 5, stack: 3))
        watch.feed(.frames(5, 3, ["mmap", "decoy"]))
        #expect(watch.takeNew().map { $0.map(\.command) } == [["impostor"]])
        watch.feed(refusal(of: other, mm: 5, stack: 3))
        watch.feed(.frames(5, 3, ["mmap", "leaky"]))
        #expect(watch.takeNew().map { $0.map(\.command) } == [["payments"]])
        let rows = watch.rows.sorted { $0.pid < $1.pid }
        #expect(rows.map(\.pid) == [one, other] && rows.map(\.user) == [one, other] && rows.map(\.count) == [1, 1])
        #expect(rows.map { $0.stack.last } == ["decoy", "leaky"])
    }

    @Test("counts those for which there was no room: with what was told of the process, or by themselves")
    func untold() {
        let watch = RefusalWatch(startTime: 0)
        watch.feed(refusal(of: one))
        watch.note(untold: [UntoldRefusals(mm: MMID(one), tgid: one, operation: .mmap, count: 41)], at: 5)
        #expect(watch.rows.map(\.count) == [42] && watch.rows.first?.verdict.reason == .mapLimit)
        watch.note(untold: [UntoldRefusals(mm: 3, tgid: other, operation: .brk, count: 7)], ofGone: 9, at: 6_000_000_000)
        let rows = watch.rows
        #expect(rows.map(\.count).sorted() == [1, 7, 9] && watch.takeNew().flatMap(\.self).count == 3)
        #expect(rows.first { $0.pid == other }.map { $0.verdict.reason == nil && !$0.verdict.seen } == true)
        // What has been told since is counted once.
        watch.note(untold: [], at: 7)
        #expect(watch.rows.map(\.count) == [1])
    }

    @Test("is told of the processes that a filter lets through, and of no others, also when they have gone")
    func filtered() {
        let watch = RefusalWatch(startTime: 0, isFiltered: true)
        watch.feed(refusal(of: one))
        watch.feed(refusal(of: other))
        #expect(watch.rows.isEmpty && watch.takeNew().isEmpty)
        watch.see([process(one)])
        #expect(watch.rows.map(\.pid) == [one] && watch.takeNew().map { $0.map(\.pid) } == [[one]])
        watch.see([])
        watch.feed(refusal(of: other))
        #expect(watch.rows.map(\.pid) == [one] && watch.takeNew().isEmpty)
    }

    @Test("says whose calls were refused after very many processes of another user were refused some, and takes no old name")
    func names() {
        let watch = RefusalWatch(
            startTime: 0, lives: { $0 == 9 }, look: { ($0 == 9 ? "payments" : "evil", $0 == 9 ? 1000 : 1001) })
        for pid in 10_000 ... 15_000 as ClosedRange<UInt32> { watch.feed(refusal(of: pid)) }
        _ = watch.takeNew()
        watch.feed(refusal(of: 9))
        #expect(watch.rows.contains { $0.pid == 9 && $0.command == "payments" } && watch.rows.count <= 1500)
        let new = watch.takeNew()
        #expect(new.contains { $0.map(\.command) == ["payments"] })
        // The same process id, later, is another process.
        let other = Origin(time: 3_000_000_000, mm: 77, tgid: 10_000, tid: 10_000)
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (65_531, 65_530)
        watch.feed(
            .refusal(Refusal(other, Syscall(number: 9, arguments: .init([0, 4096, 3, 0x22])), stack: 0, count: 1, facts: facts)))
        #expect(watch.takeNew().contains { $0.map(\.pid) == [10_000] })
    }

    @Test("is printed in a bounded number of lines an interval, in which other users have their share, and counted beyond")
    func rate() {
        var rate = WarningRate("were refused calls")
        let (evil, other) = ((0 ..< 1000).filter { _ in rate.allows(1001) }.count, rate.allows(1000))
        let (line, none) = (rate.end(), rate.end())
        #expect(evil == 4 && other && line == "996 more processes were refused calls" && none == nil)
        let many = (0 ..< 1000).filter { rate.allows(UInt32($0)) }.count
        #expect(many == 16)
        _ = rate.end()
        // Of a directory service, and of the user namespaces of one user.
        #expect((200_000 ..< 201_000).filter { rate.allows(UserShares.user($0, .nobody)) }.count == 16)
        _ = rate.end()
        #expect((200_000 ..< 201_000).filter { rate.allows(UserShares.user($0, .user(1001))) }.count == 4)
        _ = rate.end()
        // Of a container that root has made, with 65,536 ids, and of another one.
        #expect((262_144 ..< 263_000).filter { rate.allows(UserShares.user($0, .user(0))) }.count == 4)
        let isOtherAllowed = rate.allows(UserShares.user(400_000, .user(0)))
        #expect(isOtherAllowed)
    }
}
