import CSystem
import VMACore
import VMAProbe

/// Watches the write sections of all processes within the budget: `FlowBudget` decides when fewer sections are
/// recorded, who is left out, and when counting pauses; this carries it out.
final class FlowWatch {
    private let probe: Probe
    private let statistics = RunTimeStatistics()
    private let sample: SampleChoice
    private var meter: FlowMeter
    let refusals: RefusalWatch
    private var budget: FlowBudget
    /// Address spaces that belonged to no process at the last interval.
    private var nobodys: Set<MMID> = []
    /// Whose address spaces these were at the last interval.
    private var holders = SpaceHolders()
    /// When the counts were read last, or a little earlier, in nanoseconds of CLOCK_MONOTONIC.
    private var countsTime: UInt64 = 0

    /// How often the ring is emptied and the budget decided: more often when more records come.
    var step: UInt64 { budget.step }

    /// Where the sampling rate is fixed, nothing holds back a burst.
    static func ringBytes(_ sample: SampleChoice) -> UInt32 { sample == .auto ? 8 << 20 : 32 << 20 }

    init(
        _ probe: Probe, _ judge: Judge, _ sample: SampleChoice, budget share: Double, isFiltered: Bool
    ) throws(ProbeError) {
        self.probe = probe
        self.sample = sample
        meter = FlowMeter(judge: judge, hooks: probe.hooks)
        let now = vms_monotonic_ns()
        refusals = RefusalWatch(
            startTime: now, isFiltered: isFiltered, symbolizer: probe.maps ?? MapsSymbolizer(wantsNames: false))
        budget = FlowBudget(share: share, now: now, cost: 0)
        budget = FlowBudget(share: share, now: now, cost: cost, held: Tuning.level)
        try beginEpoch()
        try probe.detail(budget.details)
        try probe.watch(budget.level)
    }

    /// Time in vmascope's BPF programs, in seconds; nil where the kernel does not count it.
    var programSeconds: Double? { statistics.map { _ in probe.programSeconds } }

    private var cost: Double { SystemProbe.cpuSeconds - exempt + (programSeconds ?? assumed) }

    /// Processor time of vmascope that is not charged to the budget, in seconds: the cost of serving, which has
    /// bounds of its own. Else clients that ask for metrics would decide how much is observed.
    var exempt = 0.0

    /// The assumed cost of a section, and of a recorded one, where the kernel does not let vmascope count the time in
    /// its programs (which takes CAP_SYS_ADMIN): as measured on a slow machine.
    private var assumed = 0.0
    private static let (sectionSeconds, recordedSeconds, skippedSeconds) = (0.6e-6, 12e-6, 0.1e-6)

    private func assume() throws(ProbeError) {
        guard statistics == nil else { return }
        meter.count(try probe.counts())
        meter.gone(try probe.countsOfGone())
        let counted = meter.counted
        assumed =
            Double(counted.sections.reduce(0, &+)) * Self.sectionSeconds + Double(counted.recorded) * Self.recordedSeconds
            + Double(counted.skipped) * Self.skippedSeconds
    }

    private func beginEpoch() throws(ProbeError) {
        try assume()
        switch sample {
        case .oneIn(let count): try probe.beginEpoch(target: 0, oneIn: UInt32(count))
        case .auto: try probe.beginEpoch(target: UInt32(budget.target))
        }
    }

    /// To be called at least every `step`; does nothing in between.
    func advance(_ now: UInt64) throws {
        guard hasMore || budget.isDue(now) else { return }
        drain()
        guard budget.isDue(now) else { return }
        let decision = budget.decide(now, cost: cost)
        if let limit = decision.limit { try probe.limit(to: limit) }
        if let details = decision.details { try probe.detail(details) }
        if let allowance = decision.allowance {
            try probe.allow(allowance == FlowBudget.noLimit ? nil : allowance)
        }
        // Sections that were under way when nothing was recorded any more have ended unseen.
        if decision.level == .full { meter.resume() }
        if decision.beginsEpoch { try beginEpoch() }
        if let level = decision.level { try probe.watch(level) }
    }

    /// Counting takes all of the budget, and what can wait has to.
    var isStrained: Bool { budget.isStrained }

    private func feed(_ event: Event) {
        meter.feed(event)
        refusals.feed(event)
    }

    /// A call was refused: whose it was may end at once, so it is looked at now.
    func wake() {
        vms_ring_awake(probe.alarm)
        drain()
    }

    /// The first can be read when `wake` is to be called, the others when names have come; -1 where nothing says so.
    var alarms: [Int32] { [probe.alarm] + refusals.sockets }

    /// Whether the last `drain` has left something: in the ring, or behind a stack that is being unwound.
    private(set) var hasMore = false
    /// Nanoseconds that one `drain` may take. A process can fill the ring without end, and make its stacks slow to unwind;
    /// signals, clients and intervals do not wait for it.
    private static let longestDrain: UInt64 = 50_000_000

    /// The same before processes are listed: the records of address spaces that have ended should have come by then,
    /// since their ids are given anew.
    private static let longestDrainOfInterval: UInt64 = 400_000_000

    /// Takes in what has come, for `longestDrain` at most, or for longer at the end of an interval.
    func drain(endsInterval: Bool = false) {
        let before = probe.receivedBytes
        let end = vms_monotonic_ns() + (endsInterval ? Self.longestDrainOfInterval : Self.longestDrain)
        probe.countSkippedRuns { meter.feed($0) }
        repeat { hasMore = !probe.drain(feed) } while hasMore && vms_monotonic_ns() < end
        refusals.advance()
        // Reading answers costs every process at every syscall: not where somebody's syscalls use up the budget.
        probe.listen(refusals.isListeningWanted(vms_monotonic_ns()) && budget.affordsAnswers)
        budget.note(received: probe.receivedBytes - before, ringBytes: Int(Self.ringBytes(sample)))
        for (mm, counts) in probe.takeTallies() { meter.end(mm, counts) }
        if !meter.isUnderWay { probe.forgetNames() }
    }

    /// Ends the interval. Returns its flow, and the flow since the start.
    ///
    /// - Parameters:
    ///   - processes: the living processes that the filter lets through.
    ///   - all: all living processes; those that are not in `processes` are left out.
    func endInterval(_ processes: [ProcessStock], of all: [ProcessStock], _ now: UInt64) throws -> (
        interval: Flow, sinceStart: Flow
    ) {
        drain(endsInterval: true)
        budget.account(now, cost: cost)
        let counts = try probe.counts()
        meter.count(counts)
        meter.gone(try probe.countsOfGone())
        refusals.note(
            untold: probe.untold, ofGone: try probe.untoldOfGone(), ofUsers: try probe.untoldOfUsers(), at: now)
        try forget(Set(counts.map(\.mm)).subtracting(all.map(\.mm)))
        // One that began since then has begun its counts itself: to drop them would lose what it does next.
        let young = counts.filter { $0.counts.born > countsTime }.map(\.mm)
        try probe.forget(holders.update(all).subtracting(young))
        countsTime = now
        let keys = Dictionary(processes.map { ($0.mm, $0.key) }, uniquingKeysWith: { first, _ in first })
        meter.unseen(try probe.unseenSections())
        defer { budget.endInterval() }
        return meter.endInterval(
            watched: (budget.interval.part, budget.recordedInterval.part), since: (budget.all.part, budget.recordedAll.part),
            isFiltered: processes.count < all.count
        ) { keys[$0] }
    }

    /// An address space that ended during a pause has no record of its end: one that belonged to no process for two
    /// intervals has ended.
    private func forget(_ nobodys: Set<MMID>) throws {
        try probe.forget(nobodys.intersection(self.nobodys))
        self.nobodys = nobodys.subtracting(self.nobodys)
    }

    /// How long the stacks of the last records are waited for at the end.
    private static let finalStackTime: UInt64 = 2_000_000_000

    /// Stops counting. Records that were sent arrive, and losses at the end show.
    ///
    /// - Parameter isHurried: somebody has asked for the end by a signal or a key.
    func finish(isHurried: Bool) throws {
        probe.stackDeadline = vms_monotonic_ns() + (isHurried ? StackTable.finalTimeAfterSignal : Self.finalStackTime)
        try probe.finish(feed)
        refusals.finish(vms_monotonic_ns() + StackTable.finalTimeAfterSignal)
    }
}
