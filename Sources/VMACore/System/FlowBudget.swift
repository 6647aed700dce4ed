/// Decides which part of all write sections is recorded, and when counting them has to pause, so that the cost stays
/// within a share of one processor. Pure: the time, and the processor time used until then, are arguments.
///
/// It has three means, in this order. Each address space records fewer sections a second (`target`). While the ring
/// fills up, every address space records at most one section in `least`. When counting alone costs more than the
/// budget allows, the BPF programs are detached until enough budget has been saved up.
public struct FlowBudget: Sendable, Equatable {
    /// What the caller has to do now, in the order of the fields.
    public struct Decision: Sendable, Equatable {
        /// Record at most one section in this many, in every address space; nil: as before.
        public var limit: UInt32?
        /// Detach the BPF programs.
        public var pause = false
        /// Attach the BPF programs again, after a new epoch has begun.
        public var resume = false
        /// Begin an epoch: each address space may record about `target` sections a second.
        public var beginsEpoch = false
    }

    /// The budget, as a share of one processor.
    public let share: Double
    /// Processor time that may be spent now, in seconds; below 0 when too much was spent.
    public private(set) var credit: Double
    /// Sections that each address space may record in a second.
    public private(set) var target = 100.0
    /// Every address space records at most one section in this many: a thousand processes that each do little are
    /// much together.
    public private(set) var least: UInt32 = 1
    /// False during a pause.
    public private(set) var isWatching = true
    /// More records came in a step than the ring may have room for.
    public private(set) var isCrowded = false
    /// How often the caller empties the ring and calls `decide`, in nanoseconds: more often when more records come.
    public private(set) var step = steps.upperBound
    /// Time in nanoseconds and processor time in seconds at the last call of `account`.
    private var last: (time: UInt64, cost: Double)
    private var epochTime: UInt64
    /// The part of the time of this interval in which sections were counted.
    public private(set) var interval = Watched()
    /// The same since the start.
    public private(set) var all = Watched()

    /// How long sections were counted (`time`), out of how long (`of`), in nanoseconds.
    public struct Watched: Sendable, Equatable {
        /// How long sections were counted.
        public var time: UInt64 = 0
        /// Out of how long.
        public var of: UInt64 = 0
    }

    /// The range of `step`, in nanoseconds.
    public static let steps: ClosedRange<UInt64> = 10_000_000 ... 200_000_000
    private static let epoch: UInt64 = 1_000_000_000
    private static let targets = 1.0 ... 1000.0
    private static let mostLeast: UInt32 = 4096
    /// Seconds of budget that can be saved up, and seconds that have to be saved up before counting goes on after a
    /// pause.
    private static let (saved, restart) = (5.0, 2.0)
    /// The ring is crowded when a step brings more than this fraction of its size.
    private static let crowdedPart = 16

    /// - Parameters:
    ///   - share: the budget, as a share of one processor, above 0.
    ///   - now: nanoseconds of a clock that does not go back.
    ///   - cost: processor time used until now, in seconds.
    public init(share: Double, now: UInt64, cost: Double) {
        self.share = share
        credit = share * Self.saved
        last = (now, cost)
        epochTime = now
    }

    /// Whether the two stand at the same credit, rates and clock: `share`, and the sums of time, are not compared.
    public static func == (one: FlowBudget, other: FlowBudget) -> Bool {
        one.credit == other.credit && one.target == other.target && one.least == other.least
            && one.isWatching == other.isWatching && one.last == other.last
    }

    /// Whether `decide` is to be called now.
    public func isDue(_ now: UInt64) -> Bool { now >= last.time + step }

    /// Takes note of the bytes that came through the ring since the last decision.
    public mutating func note(received: Int, ringBytes: Int) {
        isCrowded = received > ringBytes / Self.crowdedPart
        step = isCrowded ? max(step / 4, Self.steps.lowerBound) : min(step * 2, Self.steps.upperBound)
    }

    /// Decides what to do until the next call.
    ///
    /// - Parameters:
    ///   - now: nanoseconds of the clock.
    ///   - cost: processor time used since the start, in seconds.
    public mutating func decide(_ now: UInt64, cost: Double) -> Decision {
        account(now, cost: cost)
        var decision = Decision()
        let limit = isCrowded ? min(least * 4, Self.mostLeast) : max(least / 2, 1)
        if limit != least { decision.limit = limit }
        least = limit
        if isWatching, credit < 0 {
            decision.pause = true
            isWatching = false
        } else if !isWatching, credit > share * Self.restart {
            (decision.resume, decision.beginsEpoch) = (true, true)
            isWatching = true
        } else if isWatching, now - epochTime >= Self.epoch {
            decision.beginsEpoch = true
        }
        if decision.beginsEpoch { epochTime = now }
        return decision
    }

    /// Books the time since the last call, and the processor time spent in it.
    public mutating func account(_ now: UInt64, cost: Double) {
        let time = now - last.time
        let seconds = Double(time) / 1e9
        let spent = cost - last.cost
        last = (now, cost)
        interval.of += time
        all.of += time
        if isWatching {
            interval.time += time
            all.time += time
        }
        credit = min(credit + share * seconds - spent, share * Self.saved)
        // A pause costs nothing, which says nothing about the cost of recording.
        guard isWatching else { return }
        if spent > share * seconds {
            target = max(target / 2, Self.targets.lowerBound)
        } else if spent < share * seconds / 2 {
            target = min(target * 1.1, Self.targets.upperBound)
        }
    }

    /// Begins a new interval.
    public mutating func endInterval() { interval = Watched() }
}
