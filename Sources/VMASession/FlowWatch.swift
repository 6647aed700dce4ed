import CSystem
import VMACore
import VMAProbe

/// Watches every process's write sections, as far as the budget goes: first fewer of them are told, and
/// when counting alone is too dear, it pauses. `FlowBudget` decides; this carries it out.
final class FlowWatch {
    private let probe: Probe
    private let statistics = RunTimeStatistics()
    private let sample: SampleChoice
    private var meter: FlowMeter
    let refusals: RefusalWatch
    private var budget: FlowBudget
    /// Address spaces of no process, as it was at the last interval.
    private var nobodys: Set<MMID> = []

    /// How often the ring is emptied, and what to spend decided: more often when more comes.
    var step: UInt64 { budget.step }

    /// Where the sample is fixed nothing holds back a burst.
    static func ringBytes(_ sample: SampleChoice) -> UInt32 { sample == .auto ? 8 << 20 : 32 << 20 }

    init(_ probe: Probe, _ judge: Judge, _ sample: SampleChoice, budget share: Double, isFiltered: Bool) throws {
        self.probe = probe
        self.sample = sample
        meter = FlowMeter(judge: judge, hooks: probe.hooks)
        let now = vms_monotonic_ns()
        refusals = RefusalWatch(startTime: now, isFiltered: isFiltered, symbolizer: probe.maps ?? MapsSymbolizer())
        budget = FlowBudget(share: share, now: now, cost: 0)
        budget = FlowBudget(share: share, now: now, cost: cost)
        try beginEpoch()
        try probe.watch()
    }

    /// In our programs, in seconds; nil where the kernel does not count that.
    var programSeconds: Double? { statistics.map { _ in probe.programSeconds } }

    private var cost: Double { SystemProbe.cpuSeconds - exempt + (programSeconds ?? assumed) }

    /// Our processor time that is not charged to the budget, in seconds: what serving has cost, which has bounds of
    /// its own. Else whoever asks for metrics would decide how much is observed.
    var exempt = 0.0

    /// Where the kernel does not let us count the time in our programs (it takes CAP_SYS_ADMIN): what a
    /// section was measured to cost on a slow machine, and one that is told.
    private var assumed = 0.0
    private static let (sectionSeconds, toldSeconds) = (0.6e-6, 12e-6)

    private func assume() throws {
        guard statistics == nil else { return }
        meter.count(try probe.counts())
        let counted = meter.counted
        assumed = Double(counted.sections.reduce(0, &+)) * Self.sectionSeconds + Double(counted.told) * Self.toldSeconds
    }

    private func beginEpoch() throws {
        try assume()
        switch sample {
        case .oneIn(let count): try probe.beginEpoch(target: 0, oneIn: UInt32(count))
        case .auto: try probe.beginEpoch(target: UInt32(budget.target))
        }
    }

    /// To be called at least every `step`; does nothing in between.
    func advance(_ now: UInt64) throws {
        guard budget.isDue(now) else { return }
        drain()
        let decision = budget.decide(now, cost: cost)
        if let limit = decision.limit { try probe.limit(to: limit) }
        if decision.pause { probe.pause() }
        if decision.resume { meter.resume() }
        if decision.beginsEpoch { try beginEpoch() }
        if decision.resume { try probe.watch() }
    }

    private func feed(_ event: Event) {
        meter.feed(event)
        refusals.feed(event)
    }

    /// A call was refused: whose it was may end at once, so it is looked at now.
    func wake() {
        vms_ring_awake(probe.alarm)
        drain()
    }

    /// Can be read when that is to be called; -1 where nothing says so.
    var alarm: Int32 { probe.alarm }

    func drain() {
        let before = probe.receivedBytes
        probe.countSkippedRuns { meter.feed($0) }
        while !probe.drain(feed) {}
        probe.listen(refusals.isListeningWanted(vms_monotonic_ns()))
        budget.note(received: probe.receivedBytes - before, ringBytes: Int(Self.ringBytes(sample)))
        for (mm, counts) in probe.takeTallies() { meter.end(mm, counts) }
        if !meter.isUnderWay { probe.forgetNames() }
    }

    /// What came in the interval that ends, and since the start.
    ///
    /// - Parameters:
    ///   - processes: those that live, and are asked for.
    ///   - all: those that live; others than `processes` are left out.
    func endInterval(_ processes: [ProcessStock], of all: [ProcessStock], _ now: UInt64) throws -> (
        interval: Flow, sinceStart: Flow
    ) {
        drain()
        budget.account(now, cost: cost)
        let counts = try probe.counts()
        meter.count(counts)
        refusals.note(untold: probe.untold, ofGone: try probe.untoldOfGone(), at: now)
        try forget(Set(counts.map(\.mm)).subtracting(all.map(\.mm)))
        let keys = Dictionary(processes.map { ($0.mm, $0.key) }, uniquingKeysWith: { first, _ in first })
        meter.unseen(try probe.unseenSections())
        defer { budget.endInterval() }
        return meter.endInterval(
            watched: (budget.interval.time, of: budget.interval.of), since: (budget.all.time, of: budget.all.of),
            isFiltered: processes.count < all.count
        ) { keys[$0] }
    }

    /// An end that came during a pause is not told: what no process has had for two intervals has ended.
    private func forget(_ nobodys: Set<MMID>) throws {
        try probe.forget(nobodys.intersection(self.nobodys))
        self.nobodys = nobodys.subtracting(self.nobodys)
    }

    /// Nothing is counted after this. What has been told arrives, and what was lost at the end shows.
    func finish() throws {
        try probe.finish(feed)
    }
}
