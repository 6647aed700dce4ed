import Testing
import VMACore

@testable import VMASession

@Suite("What is refused in the whole system")
struct RefusalWatchTests {
    private func refusal(of pid: UInt32) -> Event {
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (65_531, 65_530)
        let origin = Origin(time: 2_000_000_000, mm: MMID(pid), tgid: pid, tid: pid)
        let mmap = Syscall(number: 9, arguments: .init([0, 4096, 3, 0x22]))
        return .refusal(Refusal(origin, mmap, stack: 0, count: 1, facts: facts))
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
}
