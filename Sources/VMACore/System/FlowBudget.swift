/// Decides how much of every process's write sections may be told, and when counting them has to pause, so that
/// the cost stays within a share of one processor. Pure: the time, and what everything has cost until then, are
/// given to it.
///
/// Three means, in this order: each address space tells fewer sections a second (`target`); nobody tells more than
/// one in so many, while the ring fills up (`least`); and when counting alone costs more than the budget allows,
/// the programs are detached until enough has been saved up.
public struct FlowBudget: Sendable, Equatable {
    /// What to do now, in the order of the fields.
    public struct Decision: Sendable, Equatable {
        /// Tell at most one section in so many, of any address space; nil: as before.
        public var limit: UInt32?
        public var pause = false
        /// Attach the programs again, after a new epoch has begun.
        public var resume = false
        /// Begin an epoch: each address space may tell about `target` sections a second.
        public var beginsEpoch = false
    }

    /// Of one processor.
    public let share: Double
    /// Processor time that may be spent, in seconds; below 0 while nothing may be.
    public private(set) var credit: Double
    /// Sections that each address space may tell in a second.
    public private(set) var target = 100.0
    /// Nobody tells more than one section in so many: a thousand processes that each do little are much, too.
    public private(set) var least: UInt32 = 1
    public private(set) var isWatching = true
    /// So much came that the ring might not hold it.
    public private(set) var isCrowded = false
    /// How often to empty the ring and to decide, in nanoseconds: more often when more comes.
    public private(set) var step = steps.upperBound
    /// At the last decision, in nanoseconds and seconds.
    private var last: (time: UInt64, cost: Double)
    private var epochTime: UInt64
    /// Nanoseconds since the start of the interval, and since the start of all, and of these those in which sections
    /// were counted.
    public private(set) var interval = Watched()
    public private(set) var all = Watched()

    public struct Watched: Sendable, Equatable {
        public var time: UInt64 = 0
        public var of: UInt64 = 0
    }

    public static let steps: ClosedRange<UInt64> = 10_000_000 ... 200_000_000
    private static let epoch: UInt64 = 1_000_000_000
    private static let targets = 1.0 ... 1000.0
    private static let mostLeast: UInt32 = 4096
    /// Seconds of the budget that can be saved up, and that have to be before it goes on after a pause.
    private static let (saved, restart) = (5.0, 2.0)
    /// The ring is crowded when a step brings more than this part of it.
    private static let crowdedPart = 16

    /// - Parameters:
    ///   - share: of one processor, above 0.
    ///   - now: nanoseconds of a clock that does not go back.
    ///   - cost: seconds of processor time that all has cost until now.
    public init(share: Double, now: UInt64, cost: Double) {
        self.share = share
        credit = share * Self.saved
        last = (now, cost)
        epochTime = now
    }

    public static func == (one: FlowBudget, other: FlowBudget) -> Bool {
        one.credit == other.credit && one.target == other.target && one.least == other.least
            && one.isWatching == other.isWatching && one.last == other.last
    }

    public func isDue(_ now: UInt64) -> Bool { now >= last.time + step }

    /// How much came since the last decision, in bytes, of a ring of so many.
    public mutating func note(received: Int, ringBytes: Int) {
        isCrowded = received > ringBytes / Self.crowdedPart
        step = isCrowded ? max(step / 4, Self.steps.lowerBound) : min(step * 2, Self.steps.upperBound)
    }

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

    /// Books the time since the last call, and what was spent in it.
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
        // A pause costs nothing, which says nothing about what telling costs.
        guard isWatching else { return }
        if spent > share * seconds {
            target = max(target / 2, Self.targets.lowerBound)
        } else if spent < share * seconds / 2 {
            target = min(target * 1.1, Self.targets.upperBound)
        }
    }

    public mutating func endInterval() { interval = Watched() }
}
