/// What `vmascope system` tells of one interval. Every face (table, lines, JSON, Prometheus) is made of
/// these; what is not known is nil, and no face prints it as 0.
public struct SystemInterval: Sendable {
    /// From 1 on.
    public var number: Int
    /// CLOCK_MONOTONIC nanoseconds, when it ended.
    public var time: UInt64
    /// How long it was.
    public var seconds: Double
    /// Sysctl `vm.max_map_count`, nil if it could not be read.
    public var limit: Int?
    /// Those that the filter lets through, most VMAs first.
    public var processes: [ProcessStock]
    /// Merge attempts in this interval, and since the start; nil where they are not counted.
    public var flow: Flow?
    public var flowSinceStart: Flow?
    public var own: Own
    /// Times that a process has come near the limit since the start (`--warn-at`).
    public var warnings: Int
    /// Those that are near it now.
    public var warned: Set<ProcessKey>
    /// Calls that the kernel refused since the start; nil where sections are not seen.
    public var refused: [Refused]?

    public init(
        number: Int, time: UInt64, seconds: Double, limit: Int?, processes: [ProcessStock], flow: Flow? = nil,
        flowSinceStart: Flow? = nil, own: Own, warnings: Int = 0, warned: Set<ProcessKey> = [],
        refused: [Refused]? = nil
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
    }
}

/// A process for as long as it lives: its id may be another's later.
public struct ProcessKey: Hashable, Sendable {
    /// Of the thread group, in the first pid namespace.
    public var pid: UInt32
    /// `task->start_boottime`, in nanoseconds.
    public var started: UInt64

    public init(pid: UInt32, started: UInt64) {
        self.pid = pid
        self.started = started
    }
}

/// One process's VMAs, as they are counted from outside: its threads share them.
public struct ProcessStock: Sendable {
    public var key: ProcessKey
    /// The address space; exec gives it another. 0 where that is not known.
    public var mm: MMID
    public var command: String
    /// In its own pid namespace.
    public var namespacePID: UInt32
    /// Effective.
    public var uid: UInt32
    public var threads: Int
    /// From the root of the hierarchy, `/` first; nil if it could not be read.
    public var cgroup: String?
    /// `mm->map_count`.
    public var vmas: Int
    /// When they were counted, CLOCK_MONOTONIC nanoseconds.
    public var countedAt: UInt64

    /// When it was seen first, and the most that were seen.
    public var start: Int
    public var peak: Int
    public var hasExited = false
    /// Of the last minutes, or where these show none of the last hour; nil where there is none.
    public var trend: Trend?
    /// Of the last hour, where `trend` is that of the last minutes: a forecast reaches further by it.
    public var hourTrend: Trend?
    /// Nil until it was swept.
    public var boundaries: BoundarySums?

    public init(
        key: ProcessKey, mm: MMID = 0, command: String, namespacePID: UInt32? = nil, uid: UInt32 = 0, threads: Int = 1,
        cgroup: String? = nil, vmas: Int, countedAt: UInt64
    ) {
        self.key = key
        self.mm = mm
        self.command = command
        self.namespacePID = namespacePID ?? key.pid
        self.uid = uid
        self.threads = threads
        self.cgroup = cgroup
        self.vmas = vmas
        self.countedAt = countedAt
        start = vmas
        peak = vmas
    }

    public var pid: UInt32 { key.pid }

    /// How long until mmap fails with ENOMEM if it goes on so: 0 at the limit. Nil if it won't, or nobody can
    /// tell, or the process has exited.
    public func secondsToLimit(_ limit: Int?) -> Double? {
        guard let limit, !hasExited else { return nil }
        if vmas >= limit { return 0 }
        return trend?.seconds(from: vmas, to: limit) ?? hourTrend?.seconds(from: vmas, to: limit)
    }
}

/// What stood between one process's VMAs when it was looked at last.
public struct BoundarySums: Sendable, Equatable {
    public var total = 0
    /// Pairs without any blocker are not in it.
    public var blockedBy: [Blockers: Int] = [:]
    public var recoverable = 0
    /// Holes that count as gaps (`GapSieve`).
    public var gaps = 0
    /// How many VMAs there were then.
    public var vmas: Int
    /// CLOCK_MONOTONIC nanoseconds.
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

    public init(vmas: Int, takenAt: UInt64) {
        self.vmas = vmas
        self.takenAt = takenAt
    }

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
    /// User and system time since the start (getrusage).
    public var cpuSeconds: Double
    /// In BPF programs that others run into, since the start; nil where the kernel does not tell.
    public var bpfSeconds: Double?
    /// Of one CPU, in this interval, BPF included where it is known.
    public var share: Double
    /// Of one CPU; what `--budget` says.
    public var budget: Double
    public var residentBytes: UInt64?

    public init(cpuSeconds: Double, bpfSeconds: Double?, share: Double, budget: Double, residentBytes: UInt64?) {
        self.cpuSeconds = cpuSeconds
        self.bpfSeconds = bpfSeconds
        self.share = share
        self.budget = budget
        self.residentBytes = residentBytes
    }
}
