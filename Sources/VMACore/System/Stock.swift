/// The processes of a system over time, from their counts at each interval: growth, peaks, exits, and the order in
/// which layouts are swept.
public struct Stock: Sendable {
    /// What is remembered of a living process: about 2 KB.
    private struct Track: Sendable {
        var stock: ProcessStock
        /// Counts of the last minutes, and of the last hour: at most `Stock.window` each.
        var recent: [History.Point] = []
        var hour: [History.Point] = []
        var samples = 0
        let seenAt: UInt64
        /// When its address space was made, CLOCK_MONOTONIC nanoseconds, at the latest.
        let bornAt: UInt64
        /// The most that there were before `recent`, and before `hour`.
        var mostBefore = (recent: 0, hour: 0)
        /// What sweeps of it have cost lately.
        var sweepCost = SweepCost()
    }

    /// VMAs that sweeps have read lately: a half of it counts after a minute, a quarter after two.
    private struct SweepCost: Sendable {
        private var vmas = 0.0
        private var time: UInt64 = 0

        func at(_ now: UInt64) -> Double { vmas * pow2(-Double(now - min(now, time)) / 6e10) }

        mutating func add(_ count: Int, at now: UInt64) { (vmas, time) = (at(now) + Double(count), max(now, time)) }

        /// 2 to the power of `x`, from -64 to 0, to about 6%.
        private func pow2(_ x: Double) -> Double {
            let whole = max(-64, x.rounded(.down))
            return Double(sign: .plus, exponent: Int(whole), significand: 1) * (1 + min(1, x - whole))
        }
    }

    private static let window = 60
    private static let samplesPerHourPoint = 12
    /// So many of the largest processes that have exited keep figures of their own.
    private static let exitedLimit = 100
    /// Seconds after which a process at rest is swept again.
    private static let restTime = 60.0

    private var tracks: [ProcessKey: Track] = [:]
    /// Among whom the time for sweeps is shared: users (`UserShares`), and of one user's processes those that have waited
    /// for a minute, or since they were seen, and those that change.
    private struct SweepShare: Hashable, Sendable {
        var user: UInt32
        var waits: Bool
    }

    /// What sweeps have cost lately.
    private var sweepCosts: [SweepShare: SweepCost] = [:]
    /// The largest processes that have exited, by their peak, largest first.
    public private(set) var exited: [ProcessStock] = []
    /// How many processes have exited since the start.
    public private(set) var exitedCount = 0
    /// How many processes were seen since the start.
    public private(set) var seenCount = 0

    /// No process was seen yet.
    public init() {}

    /// The living processes, most VMAs first.
    public var processes: [ProcessStock] {
        tracks.values.map(\.stock).sorted { ($1.vmas, $0.pid) < ($0.vmas, $1.pid) }
    }

    /// - Parameters:
    ///   - found: all living processes that the filter lets through.
    ///   - time: when they were counted, in nanoseconds of CLOCK_MONOTONIC.
    ///   - suspended: nanoseconds that the machine was suspended, which that clock passes over and the start of a
    ///     process does not.
    public mutating func update(_ found: [ProcessStock], at time: UInt64, suspended: UInt64 = 0) {
        var next: [ProcessKey: Track] = [:]
        next.reserveCapacity(found.count)
        for process in found {
            var track =
                tracks.removeValue(forKey: process.key)
                ?? Track(
                    stock: process, seenAt: time, bornAt: min(time, process.key.started - min(suspended, process.key.started)))
            if track.samples == 0 { seenCount += 1 }
            if track.stock.mm != process.mm {
                // Exec: another address space, whose history begins now.
                track = Track(stock: process, samples: 0, seenAt: time, bornAt: time)
            }
            let old = track.stock
            track.stock = process
            track.stock.start = old.start
            track.stock.firstCommand = old.firstCommand
            track.stock.peak = max(old.peak, process.vmas)
            track.stock.boundaries = old.boundaries
            Self.note(process.vmas, at: time, in: &track)
            track.stock.trend = Self.trend(track.recent, until: time, track.bornAt, track.mostBefore.recent)
            track.stock.hourTrend = Self.trend(track.hour, until: time, track.bornAt, track.mostBefore.hour)
            track.stock.trend = track.stock.trend ?? track.stock.hourTrend
            next[process.key] = track
        }
        for track in tracks.values { exit(track.stock) }
        tracks = next
        sweepCosts = sweepCosts.filter { $0.value.at(time) >= 1 }
    }

    /// Takes the result of a sweep.
    public mutating func note(_ sums: BoundarySums, of key: ProcessKey) {
        guard var track = tracks[key] else { return }
        let share = share(of: track.stock, at: sums.takenAt)
        track.stock.boundaries = sums
        // To find and to lock it costs as much as some VMAs.
        let cost = sums.vmas + 100
        track.sweepCost.add(cost, at: sums.takenAt)
        sweepCosts[share, default: SweepCost()].add(cost, at: sums.takenAt)
        tracks[key] = track
    }

    private mutating func exit(_ process: ProcessStock) {
        exitedCount += 1
        var process = process
        process.hasExited = true
        process.trend = nil
        process.hourTrend = nil
        let at = exited.firstIndex { $0.peak < process.peak } ?? exited.count
        exited.insert(process, at: at)
        if exited.count > Self.exitedLimit { exited.removeLast() }
    }

    // MARK: growth

    private static func note(_ count: Int, at time: UInt64, in track: inout Track) {
        func add(_ points: inout [History.Point], _ mostBefore: inout Int) {
            if points.count >= window { mostBefore = max(mostBefore, points.removeFirst().count) }
            points.append(History.Point(time: time, count: count))
        }
        add(&track.recent, &track.mostBefore.recent)
        if track.samples % samplesPerHourPoint == 0 { add(&track.hour, &track.mostBefore.hour) }
        track.samples += 1
    }

    private static func trend(_ points: [History.Point], until time: UInt64, _ born: UInt64, _ most: Int) -> Trend? {
        // Most rest, and to test them would cost more than to count them.
        guard let first = points.first, points.contains(where: { $0.count != first.count }) else { return nil }
        let past = Trend.Past(seconds: Double(first.time - min(first.time, born)) / 1e9, most: most)
        return Trend(points, until: time, past: past)
    }

    // MARK: boundaries

    /// The order in which layouts are to be swept, the most urgent first: a process that has changed most since its
    /// last sweep, is busiest, was swept longest ago, and is nearest to the limit. A process at rest has its turn
    /// after a minute. Whose sweeps have cost most lately comes later, and of a user's processes those that wait have
    /// half of the time, the smallest first: some that grow and shrink without end would take all of it.
    ///
    /// - Parameters:
    ///   - time: now, CLOCK_MONOTONIC nanoseconds.
    ///   - limit: `vm.max_map_count`; nil where it is not known.
    ///   - flow: of the last interval, where sections are counted.
    public func sweepOrder(at time: UInt64, limit: Int?, flow: Flow?) -> [ProcessStock] {
        var ranked: [(urgency: Double, process: ProcessStock)] = []
        for track in tracks.values {
            let process = track.stock
            let last = process.boundaries
            let age = Double(time &- min(time, last?.takenAt ?? track.seenAt)) / 1e9
            // A process that does nothing else has hundreds of thousands of sections. The number of doublings counts,
            // so that the others do not wait for hours.
            let sections = flow?.processes[process.key]?.sections ?? 0
            let doublings = UInt64.bitWidth - sections.leadingZeroBitCount
            let activity = 2 * Double(abs(process.vmas - (last?.vmas ?? 0))).squareRoot() + Double(doublings)
            guard last == nil || activity > 0 || age >= Self.restTime else { continue }
            let nearness = Double(process.vmas) / Double(max(1, limit ?? 65_530))
            // One large layout costs as much as many small ones, and they must not all wait for it.
            let cost = Double(process.vmas + 100).squareRoot()
            let spent = 1 + track.sweepCost.at(time) / Self.cheapSweeps
            ranked.append(((1 + age) * (1 + activity) * (1 + 20 * nearness) / (cost * spent), process))
        }
        let sorted = ranked.sorted { ($1.urgency, $0.process.pid) < ($0.urgency, $1.process.pid) }.map(\.process)
        return shared(sorted, at: time)
    }

    /// VMAs whose reading is no reason to let others go first.
    private static let cheapSweeps = 10_000.0
    /// So many turns are shared among users; more are never swept in one interval.
    private static let sharedTurns = 1000

    private func share(of process: ProcessStock, at time: UInt64) -> SweepShare {
        let age = process.boundaries.map { Double(time - min(time, $0.takenAt)) / 1e9 } ?? .infinity
        return SweepShare(user: process.share, waits: age >= Self.restTime)
    }

    /// The same in turns by share: next is the one whose sweeps have cost least, those before in this order included.
    private func shared(_ processes: [ProcessStock], at time: UInt64) -> [ProcessStock] {
        var queues: [SweepShare: (cost: Double, places: ArraySlice<Int>)] = [:]
        for (share, places) in Dictionary(grouping: processes.indices, by: { share(of: processes[$0], at: time) }) {
            let sorted = share.waits ? places.sorted { (processes[$0].vmas, $0) < (processes[$1].vmas, $1) } : places
            queues[share] = ((sweepCosts[share]?.at(time) ?? 0) / Self.cheapSweeps, sorted[...])
        }
        guard queues.count > 1 else { return processes }
        var order: [Int] = []
        // Costs that are nearly the same do not decide, but the urgency does.
        func rank(_ queue: (key: SweepShare, value: (cost: Double, places: ArraySlice<Int>))) -> (Double, Int, Int) {
            (queue.value.cost.rounded(.down), queue.key.waits ? 0 : 1, queue.value.places.first!)
        }
        while order.count < Self.sharedTurns, let next = queues.min(by: { rank($0) < rank($1) }) {
            var (cost, places) = next.value
            let place = places.removeFirst()
            order.append(place)
            cost += Double(processes[place].vmas + 100) / Self.cheapSweeps
            queues[next.key] = places.isEmpty ? nil : (cost, places)
        }
        let taken = Set(order)
        return (order + processes.indices.filter { !taken.contains($0) }).map { processes[$0] }
    }
}

/// Finds the processes that come near the limit: each crossing once, until the process has gone well below again.
public struct LimitWatch: Sendable {
    /// The part of the limit from which on a process is near it, above 0 and at most 1.
    public let share: Double
    /// How many times a process has come near the limit.
    public private(set) var crossings = 0
    /// The processes that are near the limit now.
    public private(set) var near: Set<ProcessKey> = []

    /// A process that is near the limit stays so until it has less than this part of the threshold.
    private static let release = 0.95

    /// - Parameter share: the part of the limit, above 0 and at most 1.
    public init(share: Double) { self.share = share }

    /// Returns the processes that have come near since the last call.
    ///
    /// - Parameters:
    ///   - processes: all living processes.
    ///   - limit: VMAs that a process may have; nil if unknown.
    public mutating func update(_ processes: [ProcessStock], limit: Int?) -> [ProcessStock] {
        guard let limit else { return [] }
        let threshold = share * Double(limit)
        var still: Set<ProcessKey> = []
        var crossed: [ProcessStock] = []
        for process in processes {
            let count = Double(process.vmas)
            if count >= threshold, !near.contains(process.key) { crossed.append(process) }
            if count >= threshold || near.contains(process.key) && count >= threshold * Self.release {
                still.insert(process.key)
            }
        }
        near = still
        crossings += crossed.count
        return crossed
    }
}
