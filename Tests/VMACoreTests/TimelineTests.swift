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
}
