import Testing

@testable import VMACore

@Suite("The flow of a whole system")
struct FlowMeterTests {
    private static func origin(_ mm: MMID, tid: UInt32 = 1) -> Origin { Origin(time: 1, mm: mm, tgid: 100 + mm, tid: tid) }

    /// An mmap that found one picture and left another.
    private func feed(
        _ meter: inout FlowMeter, _ mm: MMID, _ before: String, _ after: String, oneIn: UInt32, tid: UInt32 = 1,
        loses: Bool = false, growth: Int32 = 1
    ) {
        let notes: [Character: Note] = ["A": .readOnly]
        func rows(_ reason: Rows.Reason, _ picture: String) {
            meter.feed(
                .rows(Rows(Self.origin(mm, tid: tid), pages(0, 6), reason, truncated: false, Drawing(picture, notes).vmas)))
        }
        rows(.before, before)
        if loses { meter.feed(.lost(1)) }
        rows(.after, after)
        meter.feed(
            .section(
                Section(
                    Self.origin(mm, tid: tid), .mmap(pages(2, 4)), stack: 0, ranges: [pages(0, 6)], writes: 1,
                    incomplete: false, oneIn: oneIn, growth: growth)))
    }

    @Test("holds what was read against how many VMAs the kernel counts")
    func audits() {
        func audit(checked: Int, equal: Int) -> Audit {
            var audit = Audit()
            (audit.checked, audit.equal) = (checked, equal)
            return audit
        }
        var meter = FlowMeter(judge: Judge(.v6_12))
        feed(&meter, 1, "AA....", "AABB..", oneIn: 1)
        feed(&meter, 1, "AA..AA", "AAAAAA", oneIn: 1, growth: -1)
        feed(&meter, 1, "AA....", "AAAA..", oneIn: 1, growth: 0)
        #expect(end(&meter).interval.audit == audit(checked: 3, equal: 3))
        feed(&meter, 1, "AA....", "AABB..", oneIn: 1, growth: 2)
        let flow = end(&meter)
        #expect(flow.interval.audit == audit(checked: 1, equal: 0) && flow.sinceStart.audit.different == 1)
        #expect(flow.interval.disagreements == ["[101] mmap: +1 VMAs as read, +2 as the kernel counts"])
        #expect(flow.interval.unexplained == 0)
    }

    @Test("holds only what was read both times against it")
    func covered() {
        let notes: [Character: Note] = ["A": .readOnly]
        let (old, new) = (Drawing("AA....", notes).vmas, Drawing("AABB..", notes).vmas)
        func growth(_ before: [AddressRange], stored: AddressRange, by number: Int32 = 9) -> Int? {
            var audit = SectionAudit()
            func take(_ range: AddressRange, _ reason: Rows.Reason) {
                audit.take(Rows(Self.origin(1), range, reason, truncated: false, []))
            }
            for range in before { take(range, .before) }
            take(pages(0, 6), .after)
            let section = Section(
                Self.origin(1), Syscall(number: number, arguments: []), stack: 0, ranges: [stored], writes: 1, incomplete: false)
            return audit.growth(section, before: old, after: new)
        }
        #expect(growth([pages(0, 6)], stored: pages(0, 6)) == 1)
        #expect(growth([pages(0, 3), pages(3, 6)], stored: pages(0, 6)) == 1)
        #expect(growth([pages(3, 6), pages(0, 3)], stored: pages(0, 6)) == 1)
        #expect(growth([pages(0, 3), pages(4, 6)], stored: pages(0, 6)) == nil, "there is a hole")
        #expect(growth([pages(0, 4)], stored: pages(2, 4)) == 1)
        #expect(growth([pages(2, 6)], stored: pages(0, 4)) == nil)
        #expect(growth([pages(0, 6)], stored: pages(0, 6), by: 59) == nil, "exec stores before it tells")
    }

    private func end(_ meter: inout FlowMeter, of gone: Set<MMID> = []) -> (interval: Flow, sinceStart: Flow) {
        meter.endInterval(watched: (0.75, 0.5), since: (1, 1)) { mm in
            gone.contains(mm) ? nil : ProcessKey(pid: 100 + mm, started: 5)
        }
    }

    @Test("is estimated from what was looked at, each for as many as it was chosen from")
    func estimates() throws {
        var meter = FlowMeter(judge: Judge(.v6_12))
        feed(&meter, 1, "AA....", "AABB..", oneIn: 1)
        feed(&meter, 1, "AA....", "AABB..", oneIn: 1)
        feed(&meter, 2, "AA....", "AABB..", oneIn: 10)
        feed(&meter, 2, "BB....", "BBBB..", oneIn: 10)
        let flow = end(&meter).interval
        #expect(flow.checked == 4 && flow.agreed == 4 && flow.unjudged == 0)
        #expect(flow.sampleOneIn == 1 ... 10 && flow.watched == 0.75 && flow.sampled == 0.5)
        #expect(flow.total.attempts?.value == 22 && flow.total.merged?.value == 10)
        #expect(flow.total.missedBy.map { "\($0.key.operation) \($0.key.blockers.slugs.joined())" } == ["mmap prot"])
        #expect(flow.total.missedBy.first?.value.value == 12)
        let exact = try #require(flow.processes[ProcessKey(pid: 101, started: 5)])
        #expect(exact.missed == Estimate(2, low: 2, high: 2) && exact.merged == Estimate(0, low: 0, high: 0))
    }

    @Test("is counted by what the kernel says, and not twice")
    func counts() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        func counts(_ born: UInt64, _ mmap: UInt64, _ munmap: UInt64) -> SectionCounts {
            var counts = SectionCounts()
            counts.born = born
            counts[Operation.allCases.firstIndex(of: .mmap)!, Flow.Change.more.rawValue] = mmap
            counts[Operation.allCases.firstIndex(of: .munmap)!, Flow.Change.fewer.rawValue] = munmap
            return counts
        }
        meter.count([(1, counts(10, 5, 1)), (2, counts(20, 1, 0))])
        let first = end(&meter)
        #expect(first.interval.total.counts == [Flow.Count(.mmap, .more): 6, Flow.Count(.munmap, .fewer): 1])
        // The address of one that is gone is another's now, and that is told before the end is.
        meter.count([(1, counts(10, 7, 1)), (2, counts(30, 1, 0))])
        meter.end(2, counts(20, 3, 2))
        let second = end(&meter)
        #expect(second.interval.total.counts == [Flow.Count(.mmap, .more): 5, Flow.Count(.munmap, .fewer): 2])
        #expect(second.sinceStart.total.sections == 14)
        #expect(second.sinceStart.processes[ProcessKey(pid: 101, started: 5)]?.sections == 8)
        let last = end(&meter, of: [1, 2])
        #expect(last.interval.total.sections == 0 && last.interval.total.attempts == nil)
        #expect(last.sinceStart.processes.isEmpty && last.sinceStart.total.sections == 14)
    }

    @Test(
        "has attempts that were counted one by one, and no merges that nothing tells of",
        arguments: [
            (Flow.Hooks.none, Flow.Attempts?.none, UInt64?.none), (.all, Flow.Attempts(count: 10, merged: 6), 4),
            (.allButMergesOfNew, Flow.Attempts(count: 10, merged: nil), nil),
        ])
    func hooked(_ hooks: Flow.Hooks, _ all: Flow.Attempts?, _ merged: UInt64?) {
        var meter = FlowMeter(judge: Judge(.v6_12), hooks: hooks)
        var counts = SectionCounts()
        counts.born = 10
        for (operation, attempts, merged) in [(Operation.mmap, UInt64(7), UInt64(4)), (.mprotect, 3, 2)] {
            let place = Operation.allCases.firstIndex(of: operation)!
            counts[place, Flow.Change.same.rawValue] = attempts
            (counts.attempts[place], counts.merged[place]) = (attempts, merged)
        }
        meter.count([(1, counts)])
        let flow = end(&meter).sinceStart
        #expect(flow.total.allHooked == all && flow.processes[ProcessKey(pid: 101, started: 5)]?.allHooked == all)
        #expect(flow.total.hooked?[.mmap]?.merged == merged)
        #expect(flow.total.hooked?[.mprotect]?.merged == (hooks == .none ? nil : 2) && flow.total.hooked?[.brk] == nil)
        // Not again in the next interval.
        meter.count([(1, counts)])
        let next = end(&meter)
        #expect(next.interval.total.allHooked?.count ?? 0 == 0 && next.sinceStart.total.allHooked == all)
    }

    @Test("has the sections that were not looked at, of a process and in all, and never fewer than before")
    func skipped() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        func counts(_ skipped: UInt64) -> SectionCounts {
            var counts = SectionCounts()
            (counts.born, counts.skipped) = (10, skipped)
            return counts
        }
        meter.count([(1, counts(50))])
        let first = end(&meter)
        #expect(first.interval.total.skipped == 50 && first.interval.total.sections == 0)
        #expect(first.interval.processes[ProcessKey(pid: 101, started: 5)]?.skipped == 50)
        // It is read in two parts, of which one may have been taken out of the other between the two.
        meter.count([(1, counts(20))])
        #expect(end(&meter).interval.total.skipped == 0)
        meter.end(1, counts(70))
        #expect(end(&meter).sinceStart.total.skipped == 70)
    }

    @Test("has those of processes that are gone, in the sums alone")
    func gone() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        var sums = SectionCounts()
        sums[Operation.allCases.firstIndex(of: .mmap)!, Flow.Change.more.rawValue] = 7
        meter.gone(sums)
        #expect(end(&meter).interval.total.sections == 7)
        sums[Operation.allCases.firstIndex(of: .mmap)!, Flow.Change.more.rawValue] = 9
        meter.gone(sums)
        let second = end(&meter)
        #expect(second.interval.total.sections == 2 && second.sinceStart.total.sections == 9)
        #expect(second.sinceStart.processes.isEmpty && meter.counted.sections.reduce(0, +) == 9)
    }

    @Test("has what the kernel had no room for in the interval in which that was, though its counter wraps")
    func unseen() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        meter.unseen(5)
        #expect(end(&meter).interval.unseen == 5)
        meter.unseen(5)
        let second = end(&meter)
        #expect(second.interval.unseen == 0 && second.sinceStart.unseen == 5)
        meter.unseen(.max)
        meter.unseen(2)
        let third = end(&meter)
        #expect(third.interval.unseen == (1 << 32) - 3 && third.sinceStart.unseen == (1 << 32) + 2)
    }

    @Test("of one that nobody had counted yet is told when it is known, where others are left out")
    func newcomer() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        feed(&meter, 1, "AA....", "AABB..", oneIn: 1)
        feed(&meter, 2, "AA....", "AABB..", oneIn: 1)
        meter.count([(1, SectionCounts())])
        func end(_ known: Bool) -> Flow {
            meter.endInterval(watched: (1, 1), since: (1, 1), isFiltered: true) { mm in
                known && mm == 1 ? ProcessKey(pid: 101, started: 5) : nil
            }.sinceStart
        }
        #expect(end(false).total.missed == nil)
        let flow = end(true)
        #expect(flow.total.missed?.value == 1 && flow.processes.count == 1)
    }

    @Test("judges nothing of which a part was lost")
    func lost() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        feed(&meter, 1, "AA....", "AABB..", oneIn: 4, loses: true)
        feed(&meter, 1, "AA....", "AABB..", oneIn: 4)
        let flow = end(&meter).interval
        #expect(flow.lost == 1 && flow.unjudged == 1 && flow.checked == 1 && !meter.isUnderWay)
    }

    @Test("does not take what a pause has cut off for the beginning of the next section")
    func pause() {
        for pauses in [false, true] {
            var meter = FlowMeter(judge: Judge(.v6_12))
            // An mprotect that makes it read-write; its end comes in the pause.
            let found = Drawing("A.....", ["A": .readOnly]).vmas
            meter.feed(.rows(Rows(Self.origin(1), pages(0, 6), .before, truncated: false, found)))
            if pauses { meter.resume() }
            feed(&meter, 1, "B.....", "BBB...", oneIn: 1)
            let flow = end(&meter).interval
            #expect(flow.checked == 1 && flow.unexplained == (pauses ? 0 : 1), "\(flow.disagreements)")
        }
    }

    @Test("tells a disagreement in words")
    func disagreement() {
        var meter = FlowMeter(judge: Judge(.v6_12))
        feed(&meter, 1, "BB....", "BBCC..", oneIn: 1)
        let flow = end(&meter).interval
        #expect(flow.checked == 1 && flow.agreed == 0)
        #expect(
            flow.disagreements.first?.hasPrefix("[101] mmap: predicted prev merged, next apart; the kernel: prev apart") == true)
    }
}
