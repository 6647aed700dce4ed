import Testing

@testable import VMACore

@Suite("the stock of a system")
struct StockTests {
    private static let second: UInt64 = 1_000_000_000

    private func process(
        _ pid: UInt32, _ vmas: Int, mm: MMID? = nil, started: UInt64 = 1, uid: UInt32 = 0
    ) -> ProcessStock {
        ProcessStock(
            key: ProcessKey(pid: pid, started: started), mm: mm ?? pid, command: "p\(pid)", uid: uid, vmas: vmas, countedAt: 0)
    }

    @Test("most VMAs come first, with start and peak, and who is gone is kept if it was large")
    func order() {
        var stock = Stock()
        stock.update([process(1, 10), process(2, 30), process(3, 20)], at: 1)
        stock.update([process(1, 50), process(2, 30)], at: 2)
        stock.update([process(1, 40), process(2, 30), process(4, 5)], at: 3)
        #expect(stock.processes.map(\.pid) == [1, 2, 4])
        #expect(stock.processes[0].start == 10 && stock.processes[0].peak == 50)
        #expect(stock.exited.map(\.pid) == [3] && stock.exited[0].hasExited)
        #expect(stock.exitedCount == 1 && stock.seenCount == 4)
    }

    @Test("an address space that belongs to others than before is another one")
    func holders() {
        var holders = SpaceHolders()
        #expect(holders.update([process(1, 5, mm: 7), process(2, 5, mm: 8), process(3, 5, mm: 0)]).isEmpty)
        // A process that shares it, and stays when the first has gone.
        #expect(holders.update([process(1, 5, mm: 7), process(4, 5, mm: 7), process(2, 5, mm: 8)]).isEmpty)
        #expect(holders.update([process(4, 5, mm: 7), process(2, 5, mm: 8), process(5, 5, mm: 9)]).isEmpty)
        #expect(holders.update([process(6, 5, mm: 7), process(2, 5, mm: 8, started: 2), process(5, 5, mm: 9)]) == [7, 8])
        #expect(holders.update([]).isEmpty && holders.update([process(1, 5, mm: 7)]).isEmpty)
    }

    @Test("however many are gone, the largest hundred stay")
    func exits() {
        var stock = Stock()
        for pid in 1 ... 500 as ClosedRange<UInt32> { stock.update([process(pid, Int(pid) * 7 % 503)], at: UInt64(pid)) }
        stock.update([], at: 1000)
        let largest = (1 ... 500).map { $0 * 7 % 503 }.sorted(by: >).prefix(100)
        #expect(stock.exited.map(\.peak) == Array(largest) && stock.exitedCount == 500)
    }

    @Test("growth is seen in minutes, or if it is slow within the hour; a new image begins anew")
    func growth() throws {
        var stock = Stock()
        func count(_ samples: Range<Int>, mm: MMID = 1, _ vmas: (Int) -> Int) {
            for at in samples { stock.update([process(1, vmas(at), mm: mm)], at: UInt64(at) * 5 * Self.second) }
        }
        count(1 ..< 40) { 100 + $0 }
        #expect(abs(try #require(stock.processes[0].trend).perMinute - 12) < 1)
        #expect(try #require(stock.processes[0].secondsToLimit(300)) > 0)
        #expect(stock.processes[0].secondsToLimit(139) == 0 && stock.processes[0].secondsToLimit(10_000) == nil)
        count(40 ..< 80, mm: 2) { _ in 7 }
        #expect(stock.processes[0].trend == nil && stock.processes[0].start == 7 && stock.seenCount == 1)
        // One in five minutes: the last minutes show one step.
        count(80 ..< 1500, mm: 2) { 7 + $0 / 60 }
        #expect(abs(try #require(stock.processes[0].trend).perMinute - 0.2) < 0.05)
    }

    @Test("who has changed most and longest ago is looked at first; nobody waits for ever")
    func sweeps() {
        var stock = Stock()
        let all = (1 ... 20 as ClosedRange<UInt32>).map { process($0, Int($0) * 100) }
        stock.update(all, at: Self.second)
        #expect(stock.sweepOrder(at: Self.second, limit: 65_530, flow: nil).first?.pid == 20)
        var swept: Set<UInt32> = []
        // One an interval, while the largest changes all the time.
        for interval in 2 ... 60 as ClosedRange<UInt64> {
            let time = interval * Self.second
            stock.update(all.dropLast() + [process(20, 2000 + Int(interval % 2) * 100)], at: time)
            guard let next = stock.sweepOrder(at: time, limit: 65_530, flow: nil).first else { continue }
            swept.insert(next.pid)
            stock.note(BoundarySums(vmas: next.vmas, takenAt: time), of: next.key)
        }
        #expect(swept.count == 20)
        #expect(stock.processes.allSatisfy { $0.boundaries != nil })
    }

    @Test("four large processes that grow and shrink do not keep sixty others from being looked at", arguments: [0, 1000])
    func shares(_ uid: UInt32) {
        var stock = Stock()
        let others = (1 ... 60 as ClosedRange<UInt32>).map { process($0, 200 + Int($0)) }
        var swept: [UInt32: Int] = [:]
        // Fifty seconds of intervals of two seconds, in each of which so many VMAs can be read; a debt is made up for.
        var credit = 0
        for interval in 1 ... 25 as ClosedRange<UInt64> {
            let time = 2 * interval * Self.second
            stock.update(
                others + (100 ... 103).map { process($0, 25_000 + Int(interval % 2) * 25_000, uid: uid) }, at: time)
            credit = min(credit, 0) + 8000
            for next in stock.sweepOrder(at: time, limit: 65_530, flow: flow([100: 9000, 101: 9000, 102: 9000, 103: 9000])) {
                guard credit > 0 else { break }
                credit -= next.vmas
                swept[next.pid, default: 0] += 1
                stock.note(BoundarySums(vmas: next.vmas, takenAt: time), of: next.key)
            }
        }
        #expect(others.allSatisfy { swept[$0.pid, default: 0] >= 1 }, "\(others.filter { swept[$0.pid] == nil }.count) were not")
        // Nor do they keep all of them away.
        #expect((100 ... 103).contains { swept[$0, default: 0] >= 1 }, "\(swept)")
    }

    @Test("of those that are alike the busiest comes first, and before it one that grows")
    func busiest() {
        var stock = Stock()
        let all = (1 ... 4 as ClosedRange<UInt32>).map { process($0, 1000) }
        stock.update(all, at: Self.second)
        for process in all { stock.note(BoundarySums(vmas: 1000, takenAt: Self.second), of: process.key) }
        stock.update(all.dropLast() + [process(4, 1200)], at: 2 * Self.second)
        let order = stock.sweepOrder(at: 2 * Self.second, limit: nil, flow: flow([1: 3, 3: 200_000]))
        #expect(order.map(\.pid) == [4, 3, 1])
    }

    /// Sections of some processes, in one interval.
    private func flow(_ sections: [UInt32: UInt64]) -> Flow {
        var flow = Flow()
        for (pid, count) in sections {
            var sums = Flow.Sums()
            sums.counts = [Flow.Count(.mmap, .same): count]
            flow.processes[ProcessKey(pid: pid, started: 1)] = sums
        }
        return flow
    }

    @Test("a process at rest is left alone, unless it holds its lock for writing or a minute has passed")
    func rest() {
        var stock = Stock()
        stock.update([process(1, 10)], at: Self.second)
        stock.note(BoundarySums(vmas: 10, takenAt: Self.second), of: ProcessKey(pid: 1, started: 1))
        #expect(stock.sweepOrder(at: 2 * Self.second, limit: nil, flow: nil).isEmpty)
        #expect(stock.sweepOrder(at: 2 * Self.second, limit: nil, flow: flow([1: 3])).count == 1)
        #expect(stock.sweepOrder(at: 70 * Self.second, limit: nil, flow: nil).count == 1)
    }

    @Test("a crossing is told once, until it has gone well below")
    func watch() {
        var watch = LimitWatch(share: 0.8)
        func crossed(_ vmas: Int, pid: UInt32 = 1) -> Int { watch.update([process(pid, vmas)], limit: 1000).count }
        #expect(crossed(799) == 0)
        #expect(crossed(800) == 1)
        #expect([801, 790, 800, 765, 900].map { crossed($0) } == [0, 0, 0, 0, 0])
        #expect(crossed(759) == 0 && watch.near.isEmpty)
        #expect(crossed(800) == 1)
        #expect(crossed(900, pid: 2) == 1)
        #expect(watch.crossings == 3 && watch.near.count == 1)
        #expect(watch.update([process(3, 5000)], limit: nil).isEmpty)
    }
}
