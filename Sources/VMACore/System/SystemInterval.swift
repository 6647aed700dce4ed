/// The figures of one interval of `vmascope system`. Every face (table, lines, JSON, Prometheus) is made from these.
/// A figure that is unknown is nil, and no face prints it as 0.
public struct SystemInterval: Sendable {
    /// The number of the interval, from 1 on.
    public var number: Int
    /// The end of the interval, in nanoseconds of CLOCK_MONOTONIC.
    public var time: UInt64
    /// The length of the interval in seconds.
    public var seconds: Double
    /// VMAs that a process may have (`vm.max_map_count`); nil if that could not be read.
    public var limit: Int?
    /// The processes that the filter lets through, most VMAs first.
    public var processes: [ProcessStock]
    /// The flow of this interval; nil where sections are not watched.
    public var flow: Flow?
    /// The flow since the start; nil where sections are not watched.
    public var flowSinceStart: Flow?
    /// What vmascope has cost.
    public var own: Own
    /// Times that a process has come near the limit since the start (`--warn-at`).
    public var warnings: Int
    /// The processes that are near the limit now.
    public var warned: Set<ProcessKey>
    /// Calls that the kernel refused since the start; nil where sections are not watched.
    public var refused: [Refused]?
    /// The captures whose files are kept, oldest first, and how many there were since the start, by reason; nil without
    /// `--capture`.
    public var captures: (kept: [Capture], counts: [CapturePlan.Reason: Int])?

    /// An interval that ended at `time` (CLOCK_MONOTONIC nanoseconds) after `seconds`. The first number is 1; `processes`
    /// has most VMAs first. A figure that is left out is unknown.
    public init(
        number: Int, time: UInt64, seconds: Double, limit: Int?, processes: [ProcessStock], flow: Flow? = nil,
        flowSinceStart: Flow? = nil, own: Own, warnings: Int = 0, warned: Set<ProcessKey> = [],
        refused: [Refused]? = nil, captures: (kept: [Capture], counts: [CapturePlan.Reason: Int])? = nil
    ) {
        self.number = number
        self.time = time
        self.seconds = seconds
        self.limit = limit
        self.processes = processes
        self.flow = flow
        self.flowSinceStart = flowSinceStart
        self.own = own
        self.warnings = warnings
        self.warned = warned
        self.refused = refused
        self.captures = captures
    }
}

/// A process, by pid and start time: the pid alone may be another process's later.
public struct ProcessKey: Hashable, Sendable {
    /// The process id (thread group) in the first pid namespace.
    public var pid: UInt32
    /// When the process started (`task->start_boottime`), in nanoseconds.
    public var started: UInt64

    /// A process of the first pid namespace, which started at `started` (`task->start_boottime`, nanoseconds).
    public init(pid: UInt32, started: UInt64) {
        self.pid = pid
        self.started = started
    }
}

/// The VMAs of one process, as counted from outside. Its threads share them.
public struct ProcessStock: Sendable {
    /// The pid, and when it started.
    public var key: ProcessKey
    /// The id of the address space; exec gives the process another one. 0 if unknown.
    public var mm: MMID
    /// The name of the first thread (comm), as it is now.
    public var command: String
    /// The name that it had when it was first seen, or first after an exec: a process can change its name as often as it likes.
    public var firstCommand: String
    /// The process id in its own pid namespace.
    public var namespacePID: UInt32
    /// The effective user id.
    public var uid: UInt32
    /// The user who stands for the process where room is shared among users (`UserShares`).
    public var share: UInt32
    /// How many threads share the VMAs.
    public var threads: Int
    /// The path of the cgroup from the root of the hierarchy, beginning with `/`; nil if it could not be read.
    public var cgroup: String?
    /// The container that the cgroup is of; nil if it is of none.
    public var container: Container?
    /// The number of VMAs (`mm->map_count`).
    public var vmas: Int
    /// When the VMAs were counted, in nanoseconds of CLOCK_MONOTONIC.
    public var countedAt: UInt64

    /// The number of VMAs when the process, or its address space after exec, was first seen.
    public var start: Int
    /// The highest number of VMAs that was seen of this address space.
    public var peak: Int
    /// The process was not found any more.
    public var hasExited = false
    /// The trend of the last minutes, or of the last hour where these show none; nil where there is none.
    public var trend: Trend?
    /// The trend of the last hour, also where `trend` is that of the last minutes: a forecast reaches further by it.
    public var hourTrend: Trend?
    /// The boundaries at the last sweep; nil until the process was swept.
    public var boundaries: BoundarySums?

    /// A process that is counted for the first time, `countedAt` (CLOCK_MONOTONIC nanoseconds): its start and its peak are
    /// what it has now. `namespacePID` is nil where it is the pid itself; the container follows from `cgroup`, and the share
    /// from the user and `namespaceMaker`.
    public init(
        key: ProcessKey, mm: MMID = 0, command: String, namespacePID: UInt32? = nil, uid: UInt32 = 0,
        namespaceMaker: UserShares.Maker = .nobody, threads: Int = 1, cgroup: String? = nil, vmas: Int, countedAt: UInt64
    ) {
        self.key = key
        self.mm = mm
        self.command = command
        firstCommand = command
        self.namespacePID = namespacePID ?? key.pid
        self.uid = uid
        share = UserShares.user(uid, namespaceMaker)
        self.threads = threads
        self.vmas = vmas
        self.countedAt = countedAt
        start = vmas
        peak = vmas
        place(in: cgroup)
    }

    /// Puts the process into a cgroup, and so into the container that this is of.
    public mutating func place(in cgroup: String?) {
        self.cgroup = cgroup
        container = cgroup.flatMap(Container.init(cgroup:))
    }

    /// The process id (thread group) in the first pid namespace.
    public var pid: UInt32 { key.pid }

    /// Seconds until mmap fails with ENOMEM if the growth goes on: 0 at the limit. Nil if the limit is not reached,
    /// if that can't be foreseen, or if the process has exited.
    ///
    /// - Parameter limit: VMAs that a process may have; nil if unknown.
    public func secondsToLimit(_ limit: Int?) -> Double? {
        guard let limit, !hasExited else { return nil }
        if vmas >= limit { return 0 }
        return trend?.seconds(from: vmas, to: limit) ?? hourTrend?.seconds(from: vmas, to: limit)
    }
}

/// The boundaries and gaps of one process at its last sweep, or the sums over several.
public struct BoundarySums: Sendable, Equatable {
    /// The number of boundaries.
    public var total = 0
    /// Boundaries by their blockers; pairs without a blocker are not in it.
    public var blockedBy: [Blockers: Int] = [:]
    /// Boundaries that the rules of the 2022 series would remove.
    public var recoverable = 0
    /// The number of gaps (`GapSieve`).
    public var gaps = 0
    /// The number of VMAs at the sweep.
    public var vmas: Int
    /// When the layout was read, in nanoseconds of CLOCK_MONOTONIC; of sums: the oldest.
    public var takenAt: UInt64

    /// - Parameters:
    ///   - vmas: in order of address.
    ///   - judge: the merge rules of this kernel.
    ///   - takenAt: when they were read, CLOCK_MONOTONIC nanoseconds.
    public init(_ vmas: [VMA], _ judge: Judge, takenAt: UInt64) {
        self.vmas = vmas.count
        self.takenAt = takenAt
        for (left, right) in zip(vmas, vmas.dropFirst()) where left.end == right.start {
            let (blockers, ofLeft, ofRight) = judge.boundary(left, right)
            total += 1
            if !blockers.isEmpty { blockedBy[blockers, default: 0] += 1 }
            if WhatIfAnswers.either(ofLeft, ofRight)[Proposals.rfc] == .recoverable { recoverable += 1 }
        }
        gaps = GapSieve.count(vmas)
    }

    /// Sums to which others are added: no boundary, and no gap.
    public init(vmas: Int, takenAt: UInt64) {
        self.vmas = vmas
        self.takenAt = takenAt
    }

    /// Adds the figures of another process.
    public mutating func add(_ other: BoundarySums) {
        total += other.total
        blockedBy.merge(other.blockedBy, uniquingKeysWith: +)
        recoverable += other.recoverable
        gaps += other.gaps
        vmas += other.vmas
        takenAt = min(takenAt, other.takenAt)
    }
}

/// What vmascope itself costs.
public struct Own: Sendable {
    /// User and system time of vmascope since the start, in seconds (getrusage).
    public var cpuSeconds: Double
    /// Time in vmascope's BPF programs, in other processes, since the start, in seconds; nil where the kernel does
    /// not count it.
    public var bpfSeconds: Double?
    /// The share of one processor that was used in this interval, BPF programs included where their time is known.
    public var share: Double
    /// The share of one processor that `--budget` allows.
    public var budget: Double
    /// Resident memory of vmascope in bytes; nil if unknown.
    public var residentBytes: UInt64?

    /// What vmascope has cost since the start, in seconds, and its shares of one processor, of which 1 is all. Nil is
    /// unknown.
    public init(cpuSeconds: Double, bpfSeconds: Double?, share: Double, budget: Double, residentBytes: UInt64?) {
        self.cpuSeconds = cpuSeconds
        self.bpfSeconds = bpfSeconds
        self.share = share
        self.budget = budget
        self.residentBytes = residentBytes
    }
}

extension [ProcessStock] {
    /// Of processes that share an address space (clone(2) with CLONE_VM, and vfork for a moment) the one that began
    /// first: its VMAs count once. Those whose address space is not known (0) all stay.
    public func oneForEachSpace() -> [ProcessStock] {
        var first: [MMID: ProcessKey] = [:]
        for process in self where process.mm != 0 {
            let known = first[process.mm]
            if known.map({ (process.key.started, process.key.pid) < ($0.started, $0.pid) }) ?? true {
                first[process.mm] = process.key
            }
        }
        return filter { $0.mm == 0 || first[$0.mm] == $0.key }
    }
}
