/// Decides which part of all write sections is recorded, which address spaces are left out, and when counting has to
/// pause, so that the cost stays within a share of one processor. Pure: the time, and the processor time used until
/// then, are arguments.
///
/// It has these means, in this order. Each address space records fewer sections a second (`target`). While the ring
/// fills up, or where very many begin and end, every address space records at most one section in `least`. Each address
/// space may cost less (`allowance`), and of each user fewer refused calls are told one by one (`details`), which only
/// those feel that cost most. Nothing is recorded, so that fewer BPF
/// programs are attached (`Level.lean`): sections are counted, and refused calls are seen. At last all programs are
/// detached. The last two go on until enough budget has been saved up.
public struct FlowBudget: Sendable, Equatable {
    /// What is attached.
    public enum Level: Sendable {
        /// Everything: sections are counted, and some are recorded.
        case full
        /// What ends a section: sections are counted, and none is recorded.
        case lean
        /// Nothing.
        case paused
    }

    /// What the caller has to do now, in the order of the fields.
    public struct Decision: Sendable, Equatable {
        /// Record at most one section in this many, in every address space; nil: as before.
        public var limit: UInt32?
        /// How much each address space may cost in an epoch, in units of 100 ns; nil: as before, `noLimit` for no limit.
        public var allowance: UInt32?
        /// How many refused calls of one user are told one by one in an epoch; nil: as before.
        public var details: UInt32?
        /// Attach what belongs to this level, and detach what does not; nil: as before. After a pause, a new epoch begins
        /// first.
        public var level: Level?
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
    /// What each address space may cost in an epoch, in units of 100 ns.
    public private(set) var allowance = allowances.upperBound
    /// How many refused calls of one user are told one by one in an epoch.
    public private(set) var details: UInt32
    private let mostDetails: UInt32
    /// What is attached.
    public private(set) var level = Level.full
    private let held: Level?
    /// False during a pause.
    public var isWatching: Bool { level != .paused }
    /// Counting takes all of the budget, and what can wait has to.
    public var isStrained: Bool { level != .full || allowance < Self.allowances.upperBound }
    /// What every process pays for, at every syscall, may be attached for a while.
    public var affordsAnswers: Bool { credit > share * Self.tight }
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

    /// The part of the time of this interval in which sections were recorded, too.
    public private(set) var recordedInterval = Watched()
    /// The same since the start.
    public private(set) var recordedAll = Watched()

    /// How long sections were counted (`time`), out of how long (`of`), in nanoseconds.
    public struct Watched: Sendable, Equatable {
        /// How long sections were counted.
        public var time: UInt64 = 0
        /// Out of how long.
        public var of: UInt64 = 0

        /// The part, 0 to 1; 1 where no time has passed.
        public var part: Double { of == 0 ? 1 : Double(time) / Double(of) }

        fileprivate mutating func note(_ more: UInt64, _ isWatched: Bool) {
            of += more
            if isWatched { time += more }
        }
    }

    /// The range of `step`, in nanoseconds.
    public static let steps: ClosedRange<UInt64> = 10_000_000 ... 200_000_000
    private static let epoch: UInt64 = 1_000_000_000
    private static let targets = 1.0 ... 1000.0
    private static let mostLeast: UInt32 = 4096
    /// An allowance that nobody can use up.
    public static let noLimit = allowances.upperBound
    /// 500 sections a second, which a compiler has when it begins, are let be whatever happens.
    private static let allowances: ClosedRange<UInt32> = 2000 ... 1 << 22
    /// Refused calls of one user that are told one by one in a second: of a budget of a whole processor, and at least.
    private static let (detailsOfProcessor, fewestDetails) = (2500.0, UInt32(4))
    /// Seconds of budget that can be saved up, and seconds that have to be saved up before counting goes on after a
    /// pause.
    private static let (saved, restart) = (5.0, 2.0)
    /// Seconds of budget that may be owed: whoever causes a large cost at once must not have counting pause for long after it.
    private static let debt = 10.0
    /// Seconds of saved budget below which address spaces are limited, below which nothing is recorded, and above which
    /// sections are recorded again.
    private static let (tight, leanest, recovered) = (3.5, 1.0, 3.0)
    /// The ring is crowded when a step brings more than this fraction of its size.
    private static let crowdedPart = 16

    /// - Parameters:
    ///   - share: the budget, as a share of one processor, above 0.
    ///   - now: nanoseconds of a clock that does not go back.
    ///   - cost: processor time used until now, in seconds.
    ///   - held: the level that holds whatever it costs; nil: what the budget allows.
    public init(share: Double, now: UInt64, cost: Double, held: Level? = nil) {
        self.share = share
        self.held = held
        level = held ?? .full
        mostDetails = UInt32(min(max(share * Self.detailsOfProcessor, Double(Self.fewestDetails)), 4096))
        details = mostDetails
        credit = share * Self.saved
        last = (now, cost)
        epochTime = now
    }

    /// Whether the two stand at the same credit, rates and clock: `share`, and the sums of time, are not compared.
    public static func == (one: FlowBudget, other: FlowBudget) -> Bool {
        one.credit == other.credit && one.target == other.target && one.least == other.least
            && one.level == other.level && one.allowance == other.allowance && one.details == other.details
            && one.last == other.last
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
        let step = book(now, cost: cost)
        var decision = Decision()
        let limit = newLimit(step)
        if limit != least { decision.limit = limit }
        least = limit
        let allowed = newAllowance(step)
        if allowed != allowance { decision.allowance = allowed }
        allowance = allowed
        let told = newDetails(step)
        if told != details { decision.details = told }
        details = told
        let wanted = held ?? newLevel(step)
        if wanted != level {
            decision.level = wanted
            decision.beginsEpoch = level == .paused
        }
        level = wanted
        if isWatching, now - epochTime >= Self.epoch { decision.beginsEpoch = true }
        if decision.beginsEpoch { epochTime = now }
        return decision
    }

    private func newLimit(_ cost: StepCost) -> UInt32 {
        // Very many that begin and end, each of which records its first sections.
        let areMany = cost == .dear && level == .full && credit < share * Self.tight
        if isCrowded || areMany { return min(least * 4, Self.mostLeast) }
        return cost == .cheap || credit > share * Self.tight ? max(least / 2, 1) : least
    }

    private func newAllowance(_ cost: StepCost) -> UInt32 {
        switch cost {
        case .dear where credit < share * Self.tight && isWatching: max(allowance / 8, Self.allowances.lowerBound)
        case .cheap where isWatching: min(allowance + max(allowance / 8, 1), Self.allowances.upperBound)
        default: allowance
        }
    }

    private func newDetails(_ cost: StepCost) -> UInt32 {
        switch cost {
        case .dear where credit < share * Self.tight && isWatching: max(details / 4, Self.fewestDetails)
        case .cheap where isWatching: min(details + max(details / 8, 1), mostDetails)
        default: details
        }
    }

    private func newLevel(_ cost: StepCost) -> Level {
        switch level {
        case .full where credit < 0: .paused
        case .full where credit < share * Self.leanest && cost == .dear: .lean
        case .lean where credit < 0: .paused
        case .lean where credit > share * Self.recovered: .full
        case .paused where credit > share * Self.restart: .lean
        default: level
        }
    }

    /// What a step has cost: more than its part of the budget, less than half of that, or something between.
    private enum StepCost { case dear, fair, cheap }

    /// Books the time since the last call, and the processor time spent in it.
    public mutating func account(_ now: UInt64, cost: Double) { _ = book(now, cost: cost) }

    private mutating func book(_ now: UInt64, cost: Double) -> StepCost {
        let time = now - last.time
        let seconds = Double(time) / 1e9
        let spent = cost - last.cost
        last = (now, cost)
        interval.note(time, isWatching)
        all.note(time, isWatching)
        recordedInterval.note(time, level == .full)
        recordedAll.note(time, level == .full)
        credit = min(max(credit + share * seconds - spent, -share * Self.debt), share * Self.saved)
        let step: StepCost = spent > share * seconds ? .dear : spent < share * seconds / 2 ? .cheap : .fair
        // Where nothing is recorded, nothing shows what recording costs.
        guard level == .full else { return step }
        switch step {
        case .dear: target = max(target / 2, Self.targets.lowerBound)
        case .cheap: target = min(target * 1.1, Self.targets.upperBound)
        case .fair: break
        }
        return step
    }

    /// Begins a new interval.
    public mutating func endInterval() { (interval, recordedInterval) = (Watched(), Watched()) }
}
