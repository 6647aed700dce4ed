import Testing

@testable import VMACore

@Suite("What system --capture records")
struct CapturePlanTests {
    private static let minute: UInt64 = 60_000_000_000
    private static let limit = 65_530

    private func process(_ pid: UInt32, _ vmas: Int = 1000, uid: UInt32 = 0, mm: MMID? = nil) -> ProcessStock {
        ProcessStock(
            key: ProcessKey(pid: pid, started: 1), mm: mm ?? pid, command: "p\(pid)", uid: uid, vmas: vmas, countedAt: 0)
    }

    private func near(_ processes: [ProcessStock]) -> Set<ProcessKey> { Set(processes.map(\.key)) }

    @Test("is nothing where nobody comes near the limit")
    func nothing() {
        var plan = CapturePlan(within: 3600)
        #expect(plan.next([process(1), process(2)], limit: Self.limit, near: [], refused: [:], at: 0) == nil)
    }

    @Test("is what was refused a call first, then what is at the limit, then what is near it")
    func urgency() {
        var plan = CapturePlan(within: 3600)
        // Four users, so that none has had more than another.
        let all = [process(1, uid: 1), process(2, Self.limit, uid: 2), process(3, uid: 3), process(4, uid: 4)]
        func next() -> CapturePlan.Choice? {
            plan.next(all, limit: Self.limit, near: near([all[0]]), refused: [3: 90], at: 100)
        }
        let found = (1 ... 4).map { _ in next() }
        #expect(found.map { $0?.process.pid } == [3, 2, 1, nil])
        #expect(found.map { $0?.reason } == [.refused, .forecast, .near, nil])
        #expect(found[1]?.secondsToLimit == 0)
    }

    @Test("is a process near the limit once, and one that is refused calls again after an hour")
    func again() {
        var plan = CapturePlan(within: 3600)
        let all = [process(1)]
        func next(_ minutes: UInt64, refused: UInt64? = nil) -> CapturePlan.Reason? {
            plan.next(
                all, limit: Self.limit, near: near(all), refused: refused.map { [1: $0 * Self.minute] } ?? [:],
                at: minutes * Self.minute)?.reason
        }
        #expect(next(1) == .near)
        #expect(next(2) == nil && next(500) == nil)
        // It became worse.
        #expect(next(501, refused: 501) == .refused)
        #expect(next(502, refused: 501) == nil && next(530, refused: 530) == nil)
        #expect(next(562, refused: 562) == .refused)
        // What was refused long ago is no reason.
        #expect(next(700, refused: 650) == nil)
    }

    @Test("is what exec or another process with the same pid makes, as something new")
    func renewed() {
        var plan = CapturePlan(within: 3600)
        func next(_ process: ProcessStock) -> CapturePlan.Reason? {
            plan.next([process], limit: Self.limit, near: [process.key], refused: [:], at: 0)?.reason
        }
        #expect(next(process(1)) == .near && next(process(1)) == nil)
        #expect(next(process(1, mm: 9)) == .near)
        var other = process(1, mm: 9)
        other.key.started = 2
        #expect(next(other) == .near)
    }

    @Test("is shared among users: one with a thousand processes does not keep out another's")
    func users() {
        var plan = CapturePlan(within: 3600)
        let many = (1 ... 1000 as ClosedRange<UInt32>).map { process($0, Self.limit, uid: 1000) }
        func next(_ all: [ProcessStock], _ minutes: UInt64) -> UInt32? {
            plan.next(all, limit: Self.limit, near: near(all), refused: [:], at: minutes * Self.minute)?.process.uid
        }
        #expect(next(many, 0) == 1000)
        // It comes last of all, and is only near.
        let all = many + [process(2000, uid: 7)]
        #expect(next(all, 1) == 7)
        let more = (2 ... 59 as ClosedRange<UInt64>).compactMap { next(all, $0) }
        #expect(more.count == CapturePlan.userLimit - 1 && more.allSatisfy { $0 == 1000 })
        #expect(next(all, 60) == 1000)
    }
}

extension CapturePlan.Choice: Equatable {
    public static func == (one: Self, other: Self) -> Bool { one.process.key == other.process.key && one.reason == other.reason }
}
