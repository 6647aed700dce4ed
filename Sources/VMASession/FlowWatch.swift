import CSystem
import VMACore
import VMAProbe

/// Watches every process's write sections, as far as the budget goes: first fewer of them are told, and
/// when counting alone is too dear, it pauses.
final class FlowWatch {
    private let probe: Probe
    private let statistics = RunTimeStatistics()
    private let sample: SampleChoice
    /// Of one processor, for all that we do.
    private let budget: Double
    private var meter: FlowMeter
    private var isWatching = false
    /// Processor time that may be spent, in seconds; below 0 while nothing may be.
    private var credit: Double
    /// Sections that each address space may tell in a second.
    private var target = 100.0
    /// Nobody tells more than one in so many: a thousand processes that each do little are much, too.
    private var least: UInt32 = 1
    private static let mostLeast: UInt32 = 4096
    /// So much came that the ring might not hold it.
    private var isCrowded = false
    /// At the last step: when, and what all of it had cost until then.
    private var last: (time: UInt64, cost: Double)
    private var epochTime: UInt64 = 0
    /// Address spaces of no process, as it was at the last interval.
    private var nobodys: Set<MMID> = []
    /// Nanoseconds in which sections were counted, and in which they might have been.
    private var watched: (interval: UInt64, all: UInt64, of: UInt64, ofAll: UInt64) = (0, 0, 0, 0)

    /// How often the ring is emptied, and what to spend decided: more often when more comes.
    private(set) var step = steps.upperBound
    private static let steps: ClosedRange<UInt64> = 10_000_000...200_000_000

    /// Where the sample is fixed nothing holds back a burst.
    static func ringBytes(_ sample: SampleChoice) -> UInt32 { sample == .auto ? 8 << 20 : 32 << 20 }
    private static let epoch: UInt64 = 1_000_000_000
    private static let targets = 1.0...1000.0
    /// Seconds of the budget that can be saved up, and that have to be before it goes on after a pause.
    private static let (saved, restart) = (5.0, 2.0)

    init(_ probe: Probe, _ judge: Judge, _ sample: SampleChoice, budget: Double) throws {
        self.probe = probe
        self.sample = sample
        self.budget = budget
        meter = FlowMeter(judge: judge, hooks: probe.hooks)
        credit = budget * Self.saved
        last = (vms_monotonic_ns(), 0)
        last.cost = cost
        try beginEpoch(last.time)
        try probe.watch()
        isWatching = true
    }

    /// In our programs, in seconds; nil where the kernel does not count that.
    var programSeconds: Double? { statistics.map { _ in probe.programSeconds } }

    private var cost: Double { SystemProbe.cpuSeconds + (programSeconds ?? assumed) }

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

    private func beginEpoch(_ now: UInt64) throws {
        epochTime = now
        try assume()
        switch sample {
        case .oneIn(let count): try probe.beginEpoch(target: 0, oneIn: UInt32(count))
        case .auto: try probe.beginEpoch(target: UInt32(target))
        }
    }

    /// To be called at least every `step`; does nothing in between.
    func advance(_ now: UInt64) throws {
        guard now - last.time >= step else { return }
        drain()
        account(now)
        let limit = isCrowded ? min(least * 4, Self.mostLeast) : max(least / 2, 1)
        if limit != least { try probe.limit(to: limit) }
        least = limit
        if isWatching, credit < 0 {
            probe.pause()
            isWatching = false
        } else if !isWatching, credit > budget * Self.restart {
            meter.resume()
            try beginEpoch(now)
            try probe.watch()
            isWatching = true
        } else if isWatching, now - epochTime >= Self.epoch {
            try beginEpoch(now)
        }
    }

    private func account(_ now: UInt64) {
        let (time, cost) = (now - last.time, self.cost)
        let seconds = Double(time) / 1e9
        let spent = cost - last.cost
        last = (now, cost)
        watched.of += time
        watched.ofAll += time
        if isWatching {
            watched.interval += time
            watched.all += time
        }
        credit = min(credit + budget * seconds - spent, budget * Self.saved)
        if spent > budget * seconds {
            target = max(target / 2, Self.targets.lowerBound)
        } else if spent < budget * seconds / 2 {
            target = min(target * 1.1, Self.targets.upperBound)
        }
    }

    func drain() {
        let before = probe.receivedBytes
        probe.countSkippedRuns { meter.feed($0) }
        while !probe.drain({ meter.feed($0) }) {}
        isCrowded = probe.receivedBytes - before > Int(Self.ringBytes(sample) / 16)
        step = isCrowded ? max(step / 4, Self.steps.lowerBound) : min(step * 2, Self.steps.upperBound)
        for (mm, counts) in probe.takeTallies() { meter.end(mm, counts) }
        if !meter.isUnderWay { probe.forgetNames() }
    }

    /// What came in the interval that ends, and since the start.
    ///
    /// - Parameters:
    ///   - processes: those that live, and are asked for.
    ///   - all: those that live; others than `processes` are left out.
    func endInterval(_ processes: [ProcessStock], of all: [ProcessStock], _ now: UInt64) throws -> (interval: Flow, sinceStart: Flow) {
        drain()
        account(now)
        let counts = try probe.counts()
        meter.count(counts)
        try forget(Set(counts.map(\.mm)).subtracting(all.map(\.mm)))
        let keys = Dictionary(processes.map { ($0.mm, $0.key) }, uniquingKeysWith: { first, _ in first })
        meter.unseen(try probe.unseenSections())
        defer { (watched.interval, watched.of) = (0, 0) }
        return meter.endInterval(
            watched: (watched.interval, of: watched.of), since: (watched.all, of: watched.ofAll),
            isFiltered: processes.count < all.count) { keys[$0] }
    }

    /// An end that came during a pause is not told: what no process has had for two intervals has ended.
    private func forget(_ nobodys: Set<MMID>) throws {
        try probe.forget(nobodys.intersection(self.nobodys))
        self.nobodys = nobodys.subtracting(self.nobodys)
    }

    /// Nothing is counted after this. What has been told arrives, and what was lost at the end shows.
    func finish() throws {
        try probe.finish { meter.feed($0) }
    }
}
