/// The counts that the kernel's side keeps of one address space since it was first seen (bpf/mode/system.h).
public struct SectionCounts: Sendable, Equatable {
    /// When the address space was first seen, in nanoseconds of CLOCK_MONOTONIC: tells it from others that had the
    /// same id.
    public var born: UInt64 = 0
    /// Write sections by operation (its place in `Operation.allCases`) and by change.
    public var sections = [UInt64](repeating: 0, count: Operation.allCases.count * Flow.Change.allCases.count)
    /// Merge attempts by operation (its place in `Operation.allCases`); zero where they are not hooked
    /// (`Flow.Hooks`).
    public var attempts = [UInt64](repeating: 0, count: Operation.allCases.count)
    /// Merges by operation.
    public var merged = [UInt64](repeating: 0, count: Operation.allCases.count)
    /// Sections that were recorded.
    public var recorded: UInt64 = 0
    /// Sections that are in no other count: the address space had cost its share.
    public var skipped: UInt64 = 0

    /// Nothing counted.
    public init() {}

    /// The count of sections of one operation (its place in `Operation.allCases`) and change.
    public subscript(operation: Int, change: Int) -> UInt64 {
        get { sections[operation * Flow.Change.allCases.count + change] }
        set { sections[operation * Flow.Change.allCases.count + change] = newValue }
    }

    /// Adds the counts of others, or what they have more than `old`.
    public mutating func add(_ other: SectionCounts, minus old: SectionCounts? = nil) {
        func add(_ field: WritableKeyPath<SectionCounts, [UInt64]>) {
            for index in self[keyPath: field].indices {
                self[keyPath: field][index] &+= other[keyPath: field][index] &- (old?[keyPath: field][index] ?? 0)
            }
        }
        add(\.sections)
        add(\.attempts)
        add(\.merged)
        recorded &+= other.recorded &- (old?.recorded ?? 0)
        skipped &+= other.skipped &- (old?.skipped ?? 0)
    }
}

/// Makes a `Flow` from recorded write sections and from the kernel's own counts. A recorded section has the rows that
/// it found and left, so it is judged by itself, without a layout.
public struct FlowMeter {
    /// What is known of one process, or of all processes.
    fileprivate struct Sample {
        var counts = SectionCounts()
        /// How many of the recorded sections could be judged.
        var judged: UInt64 = 0
        var attempts = SampledSum()
        var merged = SampledSum()
        var missed = SampledSum()
        var recoverable = SampledSum()
        var missedBy: [Flow.Miss: SampledSum] = [:]
        /// The largest weight of a recorded section, by operation.
        var rarest: [Operation: UInt32] = [:]
        var isEmpty: Bool { counts.skipped == 0 && counts.sections.allSatisfy { $0 == 0 } && rarest.isEmpty }
    }

    /// The part of a section that has arrived, and the ranges that were read for it.
    private struct OpenSample {
        var section = OpenSection()
        var audit = SectionAudit()

        mutating func take(_ rows: Rows) {
            section.take(rows)
            audit.take(rows)
        }
    }

    private struct Period {
        var total = Sample()
        var processes: [MMID: Sample] = [:]
        var (received, lost, unjudged, unseen) = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
        var (checked, agreed) = (0, 0)
        var audit = Audit()
        var weights: ClosedRange<Int>?
        var disagreements: [String] = []

        mutating func include(_ more: ClosedRange<Int>) {
            let all = weights ?? more
            weights = min(all.lowerBound, more.lowerBound) ... max(all.upperBound, more.upperBound)
        }
    }

    private let judge: Judge
    private let rules: SectionAttempts.Rules
    private let hooks: Flow.Hooks
    private var interval = Period()
    private var whole = Period()
    /// The counts that were read last, by the time of birth, and how often the address space was missing since.
    private var known: [UInt64: (counts: SectionCounts, missing: Int)] = [:]
    private var living: Set<MMID> = []
    private var open: [UInt32: OpenSample] = [:]
    /// The argument of the last call of `gone`.
    private var goneUntilNow = SectionCounts()
    /// The argument of the last call of `unseen`.
    private var unseenUntilNow: UInt32 = 0
    private static let disagreementLimit = 20

    /// - Parameters:
    ///   - judge: the merge rules of this kernel.
    ///   - hooks: which attempts the kernel counts.
    public init(judge: Judge, hooks: Flow.Hooks = .none) {
        self.judge = judge
        rules = SectionAttempts.Rules(judge.model)
        self.hooks = hooks
    }

    /// The counts of all processes since the start, whatever filter is asked for.
    public private(set) var counted = SectionCounts()

    /// Whether a part of a section has arrived, and more of it may come.
    public var isUnderWay: Bool { !open.isEmpty }

    // MARK: what comes in

    /// Takes an event of the ring: rows and ends of recorded sections, and losses.
    public mutating func feed(_ event: Event) {
        if event.isRecord { interval.received += 1 }
        switch event {
        case .rows(let rows) where rows.reason == .before || rows.reason == .after:
            open[rows.origin.tid, default: OpenSample()].take(rows)
        case .section(let section): judge(section)
        case .lost(let count):
            interval.lost += count
            // Sections that were under way may have lost a part.
            open = [:]
        default: break
        }
    }

    /// To be called after a pause: sections that were under way then have ended unseen, and their rows do not belong
    /// to the next section.
    public mutating func resume() { open = [:] }

    /// Takes the kernel's counts of all living address spaces until now.
    public mutating func count(_ all: [(mm: MMID, counts: SectionCounts)]) {
        for (born, entry) in known {
            // An address space that is missing has ended, and a record says so with its last counts; if that record
            // is lost, its last counts are, too.
            known[born] = entry.missing < 2 ? (entry.counts, entry.missing + 1) : nil
        }
        for (mm, counts) in all { count(mm, counts) }
        living = Set(all.map(\.mm))
    }

    private mutating func count(_ mm: MMID, _ counts: SectionCounts) {
        let old = known[counts.born]?.counts
        var counts = counts
        // It is the sum of two numbers, which are read one after the other while they change.
        counts.skipped = max(counts.skipped, old?.skipped ?? 0)
        known[counts.born] = (counts, 0)
        guard counts != old else { return }
        counted.add(counts, minus: old)
        interval.total.counts.add(counts, minus: old)
        interval.processes[mm, default: Sample()].counts.add(counts, minus: old)
    }

    /// Takes the last counts of an address space that has ended; its id may be given to another one.
    public mutating func end(_ mm: MMID, _ counts: SectionCounts) {
        count(mm, counts)
        known[counts.born] = nil
    }

    /// Takes the sums, until now, over address spaces that have ended and of which nothing else was ever told.
    public mutating func gone(_ sums: SectionCounts) {
        counted.add(sums, minus: goneUntilNow)
        interval.total.counts.add(sums, minus: goneUntilNow)
        goneUntilNow = sums
    }

    /// Takes the number of sections, until now, of address spaces that the kernel's side had no room for.
    public mutating func unseen(_ count: UInt32) {
        interval.unseen += UInt64(count &- unseenUntilNow)
        unseenUntilNow = count
    }

    private mutating func judge(_ section: Section) {
        let sample = open.removeValue(forKey: section.origin.tid) ?? OpenSample()
        let open = sample.section
        let weight = max(section.oneIn, 1)
        let (mm, operation) = (section.origin.mm, section.syscall.isNative ? section.syscall.operation : .other)
        interval.include(Int(weight) ... Int(weight))
        note(in: mm) { $0.rarest[operation] = max($0.rarest[operation] ?? 0, weight) }
        guard open.hasBegun, !open.isCut, !section.incomplete, section.syscall.isNative else {
            interval.unjudged += 1
            return
        }
        let (before, after) = (open.before.uniqued(), open.after.uniqued())
        if let growth = sample.audit.growth(section, before: before, after: after) { compare(growth, section) }
        let attempts = SectionAttempts(rules: rules, section: section, before: before, after: after).attempts
        note(in: mm) { $0.judged += 1 }
        guard !attempts.isEmpty else { return }
        var (merged, missed, recoverable) = (0, 0, 0)
        var missedBy: [Flow.Miss: Int] = [:]
        for attempt in attempts {
            let verdict = judge.judge(attempt)
            interval.checked += 1
            if verdict.agreed {
                interval.agreed += 1
            } else {
                tell(attempt.disagreement(verdict), of: section)
            }
            if attempt.outcome.merged { merged += 1 }
            for side in verdict.sides where side.missed {
                missed += 1
                if side.whatIf == .recoverable { recoverable += 1 }
                missedBy[Flow.Miss(attempt.operation, side.blockers), default: 0] += 1
            }
        }
        note(in: mm) { sample in
            sample.attempts.add(attempts.count, weight: weight)
            sample.merged.add(merged, weight: weight)
            sample.missed.add(missed, weight: weight)
            sample.recoverable.add(recoverable, weight: weight)
            for (miss, count) in missedBy { sample.missedBy[miss, default: SampledSum()].add(count, weight: weight) }
        }
    }

    private mutating func compare(_ growth: Int, _ section: Section) {
        interval.audit.checked += 1
        guard growth != section.growth else {
            interval.audit.equal += 1
            return
        }
        func signed(_ count: Int) -> String { count > 0 ? "+\(count)" : "\(count)" }
        let (read, counted) = (signed(growth), signed(Int(section.growth)))
        tell("\(section.syscall.operation): \(read) VMAs as read, \(counted)\(Flow.countEnding)", of: section)
    }

    private mutating func tell(_ disagreement: @autoclosure () -> String, of section: Section) {
        guard interval.disagreements.count < Self.disagreementLimit else { return }
        interval.disagreements.append("[\(section.origin.tgid)] \(disagreement())")
    }

    private mutating func note(in mm: MMID, _ body: (inout Sample) -> Void) {
        body(&interval.total)
        body(&interval.processes[mm, default: Sample()])
    }

    // MARK: what comes out

    /// Ends an interval.
    ///
    /// - Parameters:
    ///   - watched: for which part of the interval sections were counted, and for which part they were recorded, too.
    ///   - since: the same since the start.
    ///   - isFiltered: the sums are only those of processes that have a key.
    ///   - key: the process that an address space belongs to; nil if that is unknown, or the filter excludes it.
    /// - Returns: the flow of the interval, and the flow since the start.
    public mutating func endInterval(
        watched: (counted: Double, recorded: Double), since: (counted: Double, recorded: Double), isFiltered: Bool = false,
        _ key: (MMID) -> ProcessKey?
    ) -> (interval: Flow, sinceStart: Flow) {
        if isFiltered {
            interval.total = Sample()
            for (mm, sample) in interval.processes where key(mm) != nil { interval.total.take(sample) }
        }
        whole.total.take(interval.total)
        for (mm, sample) in interval.processes where key(mm) != nil {
            whole.processes[mm, default: Sample()].take(sample)
        }
        // Of processes that have exited the sums remain, in the total.
        whole.processes = whole.processes.filter { key($0.key) != nil }
        whole.received += interval.received
        whole.lost += interval.lost
        whole.unjudged += interval.unjudged
        whole.unseen += interval.unseen
        whole.checked += interval.checked
        whole.agreed += interval.agreed
        whole.audit.add(interval.audit)
        if let weights = interval.weights { whole.include(weights) }
        whole.disagreements.append(
            contentsOf: interval.disagreements.prefix(Self.disagreementLimit - whole.disagreements.count))
        defer {
            // A process that was born after the last count has a key the next time.
            let new = interval.processes.filter { living.contains($0.key) && key($0.key) == nil }
            interval = Period()
            interval.processes = new
        }
        return (flow(interval, watched, key), flow(whole, since, key))
    }

    private func flow(_ period: Period, _ watched: (counted: Double, recorded: Double), _ key: (MMID) -> ProcessKey?) -> Flow {
        var flow = Flow()
        let isWhole = period.lost == 0 && period.unjudged == 0
        flow.total = period.total.sums(isWhole: isWhole, hooks)
        for (mm, sample) in period.processes where !sample.isEmpty {
            if let key = key(mm) { flow.processes[key] = sample.sums(isWhole: isWhole, hooks) }
        }
        flow.sampleOneIn = period.weights ?? 1 ... 1
        (flow.watched, flow.sampled) = watched
        (flow.received, flow.lost, flow.unjudged) = (period.received, period.lost, period.unjudged)
        flow.unseen = period.unseen
        (flow.checked, flow.agreed) = (period.checked, period.agreed)
        flow.audit = period.audit
        flow.disagreements = period.disagreements
        return flow
    }
}

extension FlowMeter.Sample {
    fileprivate mutating func take(_ other: FlowMeter.Sample) {
        counts.add(other.counts)
        judged += other.judged
        attempts.add(other.attempts)
        merged.add(other.merged)
        missed.add(other.missed)
        recoverable.add(other.recoverable)
        missedBy.merge(other.missedBy) { sum, new in
            var sum = sum
            sum.add(new)
            return sum
        }
        rarest.merge(other.rarest, uniquingKeysWith: max)
    }

    /// - Parameter isWhole: all recorded sections have arrived and could be judged. If not, those that could stand
    ///   for the others, too.
    fileprivate func sums(isWhole: Bool, _ hooks: Flow.Hooks) -> Flow.Sums {
        let factor = isWhole || judged == 0 ? 1 : max(1, Double(counts.recorded) / Double(judged))
        func estimate(_ sum: SampledSum, _ weight: UInt32) -> Estimate { sum.scaled(by: factor).estimate(rarest: weight) }
        var sums = Flow.Sums()
        for (index, operation) in Operation.allCases.enumerated() {
            for change in Flow.Change.allCases where counts[index, change.rawValue] > 0 {
                sums.counts[Flow.Count(operation, change)] = counts[index, change.rawValue]
            }
        }
        (sums.recorded, sums.skipped) = (counts.recorded, counts.skipped)
        sums.hooked = hooks.sums(counts)
        guard let most = rarest.values.max() else { return sums }
        sums.attempts = estimate(attempts, most)
        sums.merged = estimate(merged, most)
        sums.missed = estimate(missed, most)
        sums.recoverable = estimate(recoverable, most)
        for (miss, sum) in missedBy { sums.missedBy[miss] = estimate(sum, rarest[miss.operation] ?? most) }
        return sums
    }
}
