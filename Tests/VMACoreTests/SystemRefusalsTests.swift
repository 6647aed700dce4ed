import Testing

@testable import VMACore

@Suite("The refused calls of a system")
struct SystemRefusalsTests {
    private static func space(_ mm: MMID) -> SystemRefusals.Space { SystemRefusals.Space(mm: mm, pid: mm) }

    private let verdict = Refusal.Verdict(errno: 12, reason: .mapLimit, seen: true)

    private func refuse(
        _ all: inout SystemRefusals, _ mm: MMID, user: UInt32?, pid: UInt32? = nil, stack: StackID = 0, times: Int = 1,
        _ operation: VMACore.Operation = .mmap, verdict: Refusal.Verdict? = nil
    ) {
        let space = SystemRefusals.Space(mm: mm, pid: pid ?? mm)
        _ = all.owner(space, keeping: []) { SystemRefusals.Owner(pid: pid ?? mm, user: user, command: "c\(mm)") }
        all.add(space, operation, verdict ?? self.verdict, stack: stack, count: times, at: UInt64(mm))
    }

    private func total(_ all: SystemRefusals) -> Int { all.fair.reduce(0) { $0 + $1.count } }

    @Test("keep no owner of very many processes of which nothing was found to be refused, but of those that wait")
    func owners() {
        var all = SystemRefusals { _ in true }
        refuse(&all, 1, user: 1000)
        for mm in 2 ... 100_000 as ClosedRange<MMID> {
            _ = all.owner(Self.space(mm), keeping: [Self.space(2)]) { SystemRefusals.Owner(pid: mm, user: 1001, command: "c") }
        }
        #expect(all.owners.count <= 5000 && all.owners[Self.space(1)] != nil && all.owners[Self.space(2)] != nil)
        all.forgetOwners(keeping: [])
        #expect(Array(all.owners.keys) == [Self.space(1)])
    }

    @Test("keep the rows of a process whatever another user's processes do that come and go")
    func gone() {
        var all = SystemRefusals { $0 == 1 }
        refuse(&all, 1, user: 1000, stack: 7)
        for mm in 2 ... 20_001 as ClosedRange<MMID> { refuse(&all, mm, user: 1001, stack: mm) }
        let rows = all.fair
        #expect(rows.count <= 1500 && total(all) == 20_001)
        let mine = rows.first { $0.key.whose == .process(Self.space(1)) }
        #expect(mine?.count == 1 && mine?.key.stack == 7 && all.owners[Self.space(1)]?.command == "c1")
        #expect(rows.contains { $0.key.whose == .user(1001) && $0.key.stack == 0 && $0.count > 18_000 })
        #expect(all.stacks.count <= 1500)
    }

    @Test("keep the rows of a process whatever another user's processes do that live on, or that nobody could look at")
    func alive() {
        for user in [1001, nil] as [UInt32?] {
            var all = SystemRefusals { _ in true }
            refuse(&all, 1, user: 1000)
            for mm in 2 ... 5001 as ClosedRange<MMID> { refuse(&all, mm, user: user, times: Int(mm)) }
            #expect(all.fair.count <= 1500 && all.fair.contains { $0.key.whose == .process(Self.space(1)) && $0.count == 1 })
            #expect(total(all) == 1 + (2 ... 5001).reduce(0, +))
        }
    }

    @Test("keep the rows of a low user id, of very many users")
    func users() {
        var all = SystemRefusals { _ in true }
        refuse(&all, 1, user: 1000)
        for mm in 2 ... 9001 as ClosedRange<MMID> { refuse(&all, mm, user: 100_000 + mm) }
        #expect(all.fair.count <= 1500 && total(all) == 9001)
        #expect(all.fair.contains { $0.key.whose == .process(Self.space(1)) } && all.fair.contains { $0.key.whose == .everybody })
    }

    @Test("are few of one process, whatever it is refused")
    func one() {
        var all = SystemRefusals { _ in true }
        for number in 1 ... 4000 as ClosedRange<Int32> {
            refuse(
                &all, 1, user: 1000, stack: StackID(number),
                verdict: Refusal.Verdict(errno: number % 500, reason: .other, seen: true))
        }
        #expect(all.fair.count <= 66 && all.stacks.count <= 17 && total(all) == 4000)
    }

    @Test("show something of each user first")
    func fair() {
        var all = SystemRefusals { _ in true }
        for mm in 1 ... 50 as ClosedRange<MMID> { refuse(&all, mm, user: 1, times: 1000) }
        refuse(&all, 60, user: 2, times: 1)
        #expect(all.fair.prefix(2).contains { $0.key.whose == .process(Self.space(60)) })
    }

    @Test("wait for their answers in a bounded number, and count without one")
    func pending() {
        var pending = PendingRefusals()
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (65_531, 65_530)
        var settled = 0
        for thread in 1 ... 10_000 as ClosedRange<UInt32> {
            let origin = Origin(time: 1, mm: 1, tgid: 1, tid: thread)
            let mmap = Syscall(number: 9, arguments: .init([0, 4096, 3, 0x22]))
            settled += pending.note(Refusal(origin, mmap, stack: 0, count: 1, facts: facts), nil).count
        }
        #expect(settled + pending.inferred.count == 10_000 && pending.inferred.count <= 512)
    }

    @Test("of one process do not use up the time in which answers are read")
    func listening() {
        let second: UInt64 = 1_000_000_000
        var listening = Listening(start: 0)
        func refusal(_ mm: MMID, at time: UInt64) -> Event {
            let mmap = Syscall(number: 9, arguments: .init([0, 4096, 3, 0x22]))
            return .refusal(
                Refusal(Origin(time: time, mm: mm, tgid: mm, tid: mm), mmap, stack: 0, count: 1, facts: Refusal.Facts()))
        }
        var heard: UInt64 = 0
        for tick in 1 ... 1200 as ClosedRange<UInt64> {
            let now = tick * second / 2
            if tick % 6 == 0 {
                listening.note(refusal(1, at: now))
                if listening.isWanted(now) { listening.note(.answer(Origin(time: now, mm: 1, tgid: 1, tid: 1), -12)) }
            }
            if listening.isWanted(now) { heard += 1 }
        }
        #expect(heard > 20 && heard < 1200 * 9 / 100)
        // There is time left for another's.
        listening.note(refusal(2, at: 601 * second))
        let isWanted = listening.isWanted(601 * second)
        #expect(isWanted)
    }
}
