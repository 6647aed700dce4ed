import Testing

@testable import VMACore

@Suite("calls that are refused")
struct RefusalTests {
    private let origin = Origin(time: 100, mm: 1, tgid: 7, tid: 8)

    private func refusal(
        _ number: Int32, _ arguments: [UInt64], tid: UInt32 = 8, count: UInt32 = 1,
        _ facts: (inout Refusal.Facts) -> Void = { _ in }
    ) -> Refusal {
        var found = Refusal.Facts()
        (found.mapCount, found.mapLimit) = (100, 65_530)
        facts(&found)
        var origin = origin
        origin.tid = tid
        return Refusal(origin, Syscall(number: number, arguments: .init(arguments)), stack: 3, count: count, facts: found)
    }

    private let mmap: [UInt64] = [0, 1 << 20, 3, 0x22]

    @Test("the reason is what the kernel compares")
    func reasons() throws {
        #expect(refusal(9, mmap) { $0.mapCount = 65_531 }.inferred(nil)?.reason == .mapLimit)
        #expect(refusal(9, mmap) { $0.limitOfSpace = 4096 }.inferred(nil)?.reason == .rlimitAS)
        #expect(refusal(9, mmap) { $0.limitOfData = 4096 }.inferred(nil)?.reason == .rlimitData)
        #expect(refusal(9, [0, 1 << 20, 1, 0x22]) { $0.limitOfData = 4096 }.inferred(nil)?.reason == nil, "it is not written to")
        let locked = try #require(refusal(9, [0, 1 << 20, 3, 0x2022]) { $0.limitOfLocked = 4096 }.inferred(nil))
        #expect(locked.reason == .locked && locked.errno == 11 && !locked.seen)
        #expect(refusal(9, mmap).verdict(result: -12)?.reason == .overcommit, "no limit explains it")
        #expect(refusal(9, mmap).verdict(result: -17) == Refusal.Verdict(errno: 17, reason: .other, seen: true))
        #expect(refusal(25, [0, 4096, 8192]) { $0.mapCount = 65_527 }.inferred(nil)?.reason == .mapLimit)
        #expect(refusal(28, [0, 4096, 4]) { $0.mapCount = 65_530 }.verdict(result: -11)?.reason == .mapLimit)
    }

    @Test("a move to a fixed place wants room for five, and where nobody may lock the limit is 0")
    func mremapAndLocks() {
        let move: [UInt64] = [0x1000, 0x1000, 0x1000, 3, 0x9000]
        #expect(refusal(25, move) { $0.mapCount = 65_525 }.inferred(nil)?.reason == .mapLimit)
        #expect(refusal(25, move) { $0.mapCount = 65_524 }.inferred(nil)?.reason == nil)
        #expect(refusal(25, [0x1000, 0x1000, 0x2000, 1]) { $0.mapCount = 65_525 }.inferred(nil)?.reason == nil)
        let locked = refusal(9, [0, 4096, 3, 0x2022]) { $0.limitOfLocked = 0 }
        #expect(locked.verdict(result: -1) == Refusal.Verdict(errno: 1, reason: .locked, seen: true))
        #expect(locked.inferred(nil)?.errno == 1)
        #expect(refusal(9, mmap) { $0.limitOfLocked = 0 }.verdict(result: -1)?.reason == .other)
    }

    @Test("processes that come, are refused something and go fill no memory")
    func manyProcesses() {
        var ledger = RefusalLedger()
        for number in 0 ..< UInt32(15_000) {
            var one = refusal(9, mmap, tid: number) { $0.limitOfSpace = 4096 }
            (one.origin.mm, one.origin.tgid) = (number + 1, number + 1)
            ledger.note(one, nil)
            ledger.answer(one.origin, -12)
        }
        let rows = ledger.rows
        #expect(rows.count == 12_001 && rows.reduce(0) { $0 + $1.count } == 15_000)
        #expect(rows.last?.key.mm == 0 && rows.last?.tgid == 0 && rows.last?.count == 3000)
    }

    @Test("what succeeded was not refused")
    func success() {
        #expect(refusal(10, [0, 4096, 3]).verdict(result: 0) == nil)
        #expect(refusal(9, mmap).verdict(result: 0x7f00_0000_0000) == nil)
        #expect(refusal(12, [0x5000]) { $0.brk = 0x5000 }.verdict(result: 0x5000) == nil)
        #expect(refusal(12, [0x9000]) { $0.brk = 0x5000 }.verdict(result: 0x5000)?.errno == 12)
    }

    @Test("what changes in place has failed if the memory is not as it was asked for; else nobody can tell")
    func inPlace() {
        let layout = Layout([VMA(AddressRange(0x1000, 0x3000), pgoff: 0, flags: [.read, .write])])
        let atLimit: (inout Refusal.Facts) -> Void = { $0.mapCount = 65_530 }
        #expect(refusal(10, [0x1000, 0x1000, 1], atLimit).inferred(layout)?.reason == .mapLimit)
        #expect(refusal(10, [0x1000, 0x1000, 3], atLimit).inferred(layout) == nil)
        #expect(refusal(11, [0x1000, 0x1000], atLimit).inferred(layout)?.errno == 12)
        #expect(refusal(11, [0x9000, 0x1000], atLimit).inferred(layout) == nil)
        let advised = refusal(28, [0x1000, 0x1000, 15], atLimit).inferred(layout)
        #expect(advised?.reason == .mapLimit && advised?.errno == 11)
        #expect(refusal(28, [0x1000, 0x1000, 17], atLimit).inferred(layout) == nil, "it is as it was to be")
        #expect(refusal(28, [0x1000, 0x1000, 4], atLimit).inferred(layout) == nil, "MADV_DONTNEED leaves nothing to see")
        #expect(refusal(462, [0x1000, 0x1000], atLimit).inferred(layout)?.reason == .mapLimit, "mseal")
        #expect(refusal(237, [0x1000, 0x1000, 2], atLimit).inferred(layout)?.reason == .mapLimit, "mbind")
        #expect(refusal(237, [0x1000, 0x1000, 0], atLimit).inferred(layout) == nil, "mbind to MPOL_DEFAULT")
        // Without a layout, by the VMA at the first argument.
        #expect(
            refusal(10, [0x1000, 0x1000, 1]) {
                $0.mapCount = 65_530; $0.flagsThere = [.read, .write]
            }.inferred(nil) != nil)
    }

    @Test("an answer belongs to its thread's last call, and one without counts as inferred")
    func ledger() {
        var ledger = RefusalLedger()
        let atLimit: (inout Refusal.Facts) -> Void = { $0.mapCount = 65_531 }
        ledger.note(refusal(9, mmap, atLimit), nil)
        ledger.note(refusal(9, mmap, atLimit), nil)
        ledger.answer(origin, -12)
        ledger.note(refusal(9, mmap, tid: 9, count: 5, atLimit), nil)
        #expect(ledger.rows.map(\.count) == [6, 1])
        #expect(ledger.rows.map(\.key.verdict.seen) == [false, true])
        ledger.answer(origin, -12)  // of nothing
        ledger.note(refusal(10, [0, 4096, 3]), nil)
        ledger.answer(origin, 0)
        #expect(ledger.rows.reduce(0) { $0 + $1.count } == 7)
    }

    @Test("listens while calls are refused, and no more than a tenth of the time")
    func listening() {
        let second: UInt64 = 1_000_000_000
        var listening = Listening(start: 0)
        let isWantedAtFirst = listening.isWanted(second)
        #expect(!isWantedAtFirst)
        func refuse(_ at: UInt64) {
            var refusal = refusal(9, mmap)
            refusal.origin.time = at * second
            listening.note(.refusal(refusal))
        }
        refuse(1)
        let (isWantedAfter, isWantedLater) = (listening.isWanted(2 * second), listening.isWanted(7 * second))
        #expect(isWantedAfter && !isWantedLater)
        var heard = 0
        for at in 10 ..< 1010 as Range<UInt64> {
            refuse(at)
            if listening.isWanted(at * second) { heard += 1 }
        }
        #expect((90 ... 130).contains(heard), "\(heard)")
    }

    @Test("hears one user's refused call whatever others' processes are refused, and no more than a tenth of the time")
    func sharedListening() {
        let second: UInt64 = 1_000_000_000
        var listening = Listening(start: 0, sharesByUser: true)
        func refuse(_ at: UInt64, _ mm: MMID, user: UInt32) {
            var refusal = refusal(9, mmap)
            (refusal.origin.time, refusal.origin.mm) = (at * second, mm)
            listening.note(.refusal(refusal), user: user)
        }
        var (heard, heardOfVictim) = (0, 0)
        for at in 10 ..< 1010 as Range<UInt64> {
            // Three users, one of them with ids of user namespaces, have new processes that are refused something.
            let inNamespace = UserShares.user(300_000 + UInt32(at) * 7, .user(1003))
            for user in [1001, 1002, inNamespace] { refuse(at, MMID(at * 4) + (user & 3), user: user) }
            if at % 100 == 50 { refuse(at, 9, user: 33) }
            let isHeard = listening.isWanted(at * second)
            if isHeard { heard += 1 }
            if isHeard, at % 100 == 50 { heardOfVictim += 1 }
        }
        #expect(heardOfVictim == 10 && (60 ... 130).contains(heard), "\(heard), \(heardOfVictim)")
    }
}
