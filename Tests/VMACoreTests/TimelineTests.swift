import Testing

@testable import VMACore

@Suite("timeline")
struct TimelineTests {
    private func kind(_ stack: StackID) -> Timeline.Kind {
        let verdict = Refusal.Verdict(errno: 12, reason: .mapLimit, seen: true)
        return .refusal(RefusalLedger.Key(mm: 1, operation: .mmap, verdict: verdict, stack: stack))
    }

    @Test("says how many instants it leaves out, where there are too many kinds of them")
    func kinds() {
        var timeline = Timeline(kindLimit: 2)
        for stack in [1, 2, 3, 1, 4] as [StackID] { timeline.note(kind(stack), at: UInt64(stack), thread: 7, .empty) }
        #expect(timeline.kinds.count == 2 && timeline.instants.all.map(\.kind) == [0, 1, 0] && timeline.omitted == 2)
    }

    @Test("is kept of very many address spaces that are each looked at once")
    func stocks() {
        var timeline = Timeline(stockLimit: 8)
        for mm in 1 ... 2000 as ClosedRange<MMID> {
            timeline.note(Boundaries(), of: Image(mm: mm, tgid: mm, command: "x"), at: UInt64(mm))
        }
        #expect(timeline.stocks.count <= 8 && timeline.stocks.last?.mm == 2000)
    }
}
