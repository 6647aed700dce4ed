import Testing

@testable import VMACore

@Suite("the whole system, in values")
struct SystemTests {
    private func process(_ command: String = "redis-server", uid: UInt32 = 0, cgroup: String? = nil) -> ProcessStock {
        ProcessStock(key: ProcessKey(pid: 7, started: 1), command: command, uid: uid, cgroup: cgroup, vmas: 10, countedAt: 0)
    }

    @Test("a filter lets through what fulfils all that it says")
    func filter() {
        #expect(ProcessFilter().matches(process()))
        #expect(ProcessFilter(command: { $0.hasPrefix("redis") }, uid: 0).matches(process()))
        #expect(!ProcessFilter(command: { $0.hasPrefix("redis") }, uid: 5).matches(process()))
        for path in ["/a/b", "/a/b/", "a/b"] {
            let filter = ProcessFilter(cgroup: path)
            #expect(filter.matches(process(cgroup: "/a/b")) && filter.matches(process(cgroup: "/a/b/c")))
            #expect(!filter.matches(process(cgroup: "/a/bc")) && !filter.matches(process(cgroup: "/a")))
            #expect(!filter.matches(process()), "an unknown cgroup is in none")
        }
        #expect(ProcessFilter(cgroup: "/").matches(process(cgroup: "/x")))
    }

    @Test("an estimate shows how far it may be off")
    func estimate() {
        #expect("\(Estimate(1230, low: 1190, high: 1275))" == "1230 ± 45")
        #expect("\(Estimate(1.25, low: 0, high: 3))" == "1.3 ± 1.8")
        #expect("\(Estimate(60, low: 30, high: 90) / 60)" == "1 ± 0.5")
        #expect(!"\(Estimate(.infinity, low: 0, high: .nan))".isEmpty)
    }

    @Test("what stands between VMAs is counted pair by pair that touches")
    func boundaries() {
        let judge = Judge(KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed))
        func page(_ number: UInt64, pgoff: UInt64? = nil, flags: VMAFlags = [.read, .write]) -> VMA {
            VMA(AddressRange(number << 12, (number + 1) << 12), pgoff: pgoff ?? number, flags: flags)
        }
        let vmas = [page(1), page(2, pgoff: 9), page(3, flags: .read), page(5), page(6)]
        let sums = BoundarySums(vmas, judge, takenAt: 3)
        let layout = Boundaries(Layout(vmas), judge)
        #expect(sums.total == 3 && sums.vmas == 5 && sums.takenAt == 3)
        #expect(sums.blockedBy == layout.blockedBy && sums.recoverable == layout.recoverable && sums.recoverable == 1)
        var both = sums
        both.add(BoundarySums([page(1), page(2, pgoff: 9)], judge, takenAt: 2))
        #expect(both.total == 4 && both.recoverable == 2 && both.takenAt == 2)
    }
}
